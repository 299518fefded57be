"""The system calls of an enclosed worker: which it needs, which no honest program makes, and why.

Derived from traces of runs on all runtimes (files, folders, sleeps, growing memory, traps, deadlines, threads, the
wire), made after everything was loaded. To allow another call, add a row with its reason.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
"""SECCOMP_RET_KILL_PROCESS: all threads end, with SIGSYS."""
_ERRNO: Final = 0x00050000
EPERM: Final = _ERRNO | 1
ENOSYS: Final = _ERRNO | 38

NEWEST: Final = 450
"""Calls with higher numbers were unknown when this table was made. They answer ENOSYS, as on a kernel without them:
after that answer C libraries take an older way. Other calls that are not in the table answer EPERM."""

OWN_PID: Final = -1
"""Stands for the number of the process that puts the filter up."""


class Condition(NamedTuple):
    """What an argument of a system call must be: `argument & mask` is one of `values`.

    Attributes:
        argument: Its position, from 0.
        values: What it may be. `OWN_PID` stands for this process.
        mask: Bits that are looked at; bits above the lower 32 only if `wide`.
        wide: The upper 32 bits must be zero: for pointers.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    wide: bool = False


class Row(NamedTuple):
    """One system call.

    Attributes:
        name: Its name in the kernel.
        x86_64: Its number there, or None where it does not exist.
        aarch64: Likewise.
        why: What needs it, or what it would do.
        conditions: All of these must hold.
        otherwise: The answer when one does not.
    """

    name: str
    x86_64: int | None
    aarch64: int | None
    why: str
    conditions: tuple[Condition, ...] = ()
    otherwise: int = EPERM


NOT_EXECUTABLE: Final = Condition(2, (0,), mask=0x4)  # PROT_EXEC
# MADV_DONTNEED FREE POPULATE_WRITE, NORMAL RANDOM SEQUENTIAL WILLNEED DONTFORK DOFORK HUGEPAGE NOHUGEPAGE DONTDUMP
# DODUMP WIPEONFORK KEEPONFORK COLD PAGEOUT POPULATE_READ GUARD_INSTALL GUARD_REMOVE
ADVICE: Final = Condition(2, (4, 8, 23, 0, 1, 2, 3, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 102, 103))
# F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC
DESCRIPTOR_COMMANDS: Final = Condition(1, (0, 1, 2, 3, 4, 1030))
# PAGEMAP_SCAN TCGETS FIONBIO FIONREAD FIONCLEX FIOCLEX
REQUESTS: Final = Condition(1, (0xC0606610, 0x5401, 0x5421, 0x541B, 0x5450, 0x5451))
# PR_SET_NAME PR_GET_NAME PR_SET_VMA PR_GET_DUMPABLE PR_GET_SECCOMP PR_GET_NO_NEW_PRIVS
PROCESS_OPTIONS: Final = Condition(0, (15, 16, 0x53564D41, 3, 21, 39))
# CLONE_VM, CLONE_SIGHAND and CLONE_THREAD, no CLONE_NEW… and no signal at the end (threads send none; CLONE_NEWTIME is
# one of its bits).
THREAD_ONLY: Final = Condition(0, (0x00010900,), mask=0x7E0309FF)
OWN_PROCESS: Final = Condition(0, (OWN_PID,))
OWN_OR_ZERO: Final = Condition(0, (0, OWN_PID))
NO_NEW_LIMITS: Final = Condition(2, (0,), wide=True)
NO_ADDRESS: Final = Condition(4, (0,), wide=True)

ALLOWED: Final = (
    # checked by argument; first, for the kernel answers the others from a bitmap without running the filter
    Row(
        "mprotect",
        10,
        226,
        "Wasmtime makes a guest's memory usable; thread stacks; nothing becomes executable any more",
        (NOT_EXECUTABLE,),
    ),
    Row(
        "mmap",
        9,
        222,
        "memory, guests' memories, images, thread stacks; code is mapped before the walls",
        (NOT_EXECUTABLE,),
    ),
    Row(
        "madvise",
        28,
        233,
        "stacks of ended threads, resetting and prefaulting of memory; never poisoning pages or sharing them",
        (ADVICE,),
    ),
    Row(
        "fcntl",
        72,
        25,
        "flags and copies of descriptors; neither leases nor owners, who get signals",
        (DESCRIPTOR_COMMANDS,),
    ),
    Row(
        "ioctl",
        16,
        29,
        "flags, whether it is a terminal, which pages of this process were written; nothing of devices",
        (REQUESTS,),
    ),
    Row("prctl", 157, 167, "names of threads and mappings; reading which walls stand", (PROCESS_OPTIONS,)),
    Row("clone", 56, 220, "threads, and nothing but threads: no process, no namespace", (THREAD_ONLY,), KILL),
    Row("tgkill", 234, 131, "abort() and raise(): signals to this process alone", (OWN_PROCESS,), KILL),
    Row(
        "prlimit64",
        302,
        261,
        "reading of limits, as the start of a thread does; never setting one",
        (OWN_OR_ZERO, NO_NEW_LIMITS),
    ),
    Row("sendto", 44, 206, "the wire to the parent: an end that is connected already, no address", (NO_ADDRESS,)),
    # memory
    Row("munmap", 11, 215, "memory of ended runs and threads"),
    Row("mremap", 25, 216, "realloc of large blocks"),
    Row("brk", 12, 214, "malloc"),
    # threads
    Row("futex", 202, 98, "every lock"),
    Row("futex_waitv", 449, 449, "locks of newer C libraries"),
    Row("set_robust_list", 273, 99, "start of a thread"),
    Row("rseq", 334, 293, "start of a thread"),
    Row("gettid", 186, 178, "start of a thread, raise()"),
    Row("exit", 60, 93, "end of a thread"),
    Row("exit_group", 231, 94, "os._exit, the only end of a worker"),
    Row("sched_yield", 24, 124, "locks that spin; WASI's sched_yield"),
    Row("sched_getaffinity", 204, 123, "how many threads Wasmtime's file pool may have"),
    Row("getcpu", 309, 168, "allocators that keep one arena for each CPU"),
    # signals, for Wasmtime turns faults into traps
    Row("rt_sigreturn", 15, 139, "the way back from every trap"),
    Row("rt_sigprocmask", 14, 135, "start of a thread"),
    Row("rt_sigaction", 13, 134, "the C library's own signals at the first thread"),
    Row("sigaltstack", 131, 132, "the stack for handlers on each thread that runs wasm"),
    Row("restart_syscall", 219, 128, "a wait that a signal interrupted"),
    # clocks and waits
    Row("clock_nanosleep", 230, 115, "the ticker of the engine; time.sleep"),
    Row("setitimer", 38, 103, "the alarm that ends a worker whose run outlives its deadline"),
    Row("nanosleep", 35, 101, "the same, in other C libraries"),
    Row("clock_gettime", 228, 113, "where the vDSO cannot answer: CPU time of a thread"),
    Row("clock_getres", 229, 114, "time.get_clock_info"),
    Row("gettimeofday", 96, 169, "where there is no vDSO"),
    Row("poll", 7, None, "select.poll; socket deadlines of Python"),
    Row("ppoll", 271, 73, "the same on aarch64"),
    Row("select", 23, None, "select.select of older C libraries"),
    Row("pselect6", 270, 72, "select.select"),
    Row("epoll_create1", 291, 20, "Wasmtime's file pool starts an event loop"),
    Row("epoll_ctl", 233, 21, "that event loop"),
    Row("epoll_wait", 232, None, "that event loop"),
    Row("epoll_pwait", 281, 22, "that event loop on aarch64"),
    Row("epoll_pwait2", 441, 441, "that event loop, in newer versions"),
    Row("eventfd2", 290, 19, "waking that event loop"),
    # descriptors
    Row("read", 0, 63, "files, the wire"),
    Row("write", 1, 64, "files, the wire, standard error"),
    Row("readv", 19, 65, "guests' fd_read"),
    Row("writev", 20, 66, "guests' fd_write"),
    Row("pread64", 17, 67, "guests' fd_pread"),
    Row("pwrite64", 18, 68, "guests' fd_pwrite"),
    Row("preadv", 295, 69, "guests' fd_pread"),
    Row("pwritev", 296, 70, "guests' fd_pwrite"),
    Row("preadv2", 327, 286, "the same, with flags"),
    Row("pwritev2", 328, 287, "the same, with flags: appending"),
    Row("close", 3, 57, "every end"),
    Row("close_range", 436, 436, "closing of many"),
    Row("lseek", 8, 62, "guests' fd_seek; Python's files"),
    Row("dup", 32, 23, "copies of descriptors"),
    Row("dup2", 33, None, "os.dup2"),
    Row("dup3", 292, 24, "os.dup2 without inheritance"),
    # files: which ones, Landlock and the guest's grants decide
    Row("openat", 257, 56, "Python's open; folders that Wasmtime lists"),
    Row("open", 2, None, "the same, in older C libraries"),
    Row("openat2", 437, 437, "Wasmtime's path_open, which never leaves a granted folder"),
    Row("fstat", 5, 80, "sizes and kinds"),
    Row("newfstatat", 262, 79, "the same by path"),
    Row("stat", 4, None, "the same, in older C libraries"),
    Row("lstat", 6, None, "the same, in older C libraries"),
    Row("statx", 332, 291, "Wasmtime's filestat_get"),
    Row("fstatfs", 138, 44, "free room of a file system"),
    Row("access", 21, None, "os.access"),
    Row("faccessat", 269, 48, "os.access on aarch64"),
    Row("faccessat2", 439, 439, "os.access of newer C libraries"),
    Row("getdents64", 217, 61, "listing of folders"),
    Row("getcwd", 79, 17, "os.getcwd"),
    Row("readlink", 89, None, "os.readlink"),
    Row("readlinkat", 267, 78, "guests' path_readlink"),
    Row("ftruncate", 77, 46, "guests' fd_filestat_set_size"),
    Row("fallocate", 285, 47, "guests' fd_allocate"),
    Row("fadvise64", 221, 223, "guests' fd_advise"),
    Row("fsync", 74, 82, "guests' fd_sync"),
    Row("fdatasync", 75, 83, "guests' fd_datasync"),
    Row("utimensat", 280, 88, "guests' filestat_set_times"),
    Row("mkdir", 83, None, "os.mkdir"),
    Row("mkdirat", 258, 34, "guests' path_create_directory"),
    Row("rename", 82, None, "os.rename"),
    Row("renameat", 264, 38, "guests' path_rename"),
    Row("renameat2", 316, 276, "the same, where there is no renameat"),
    Row("link", 86, None, "os.link"),
    Row("linkat", 265, 37, "guests' path_link"),
    Row("symlink", 88, None, "os.symlink"),
    Row("symlinkat", 266, 36, "guests' path_symlink"),
    Row("unlink", 87, None, "os.unlink"),
    Row("unlinkat", 263, 35, "guests' path_unlink_file and path_remove_directory"),
    Row("rmdir", 84, None, "os.rmdir"),
    # the wire: an inherited socketpair, and descriptors that come over it
    Row("recvfrom", 45, 207, "frames"),
    Row("recvmsg", 47, 212, "frames with descriptors"),
    Row("sendmsg", 46, 211, "frames with descriptors; the wire is connected, so that an address in it is an error"),
    Row("shutdown", 48, 210, "end of the wire"),
    Row("getsockopt", 55, 209, "what kind of socket the wire is"),
    Row("getsockname", 51, 204, "the same"),
    Row("getpeername", 52, 205, "the same"),
    # knowing oneself
    Row("getrandom", 318, 278, "entropy of guests and of Python"),
    Row("getpid", 39, 172, "whether the process was forked"),
    Row("getppid", 110, 173, "whether the parent lives"),
    Row("getuid", 102, 174, "owner checks of folders"),
    Row("geteuid", 107, 175, "the same"),
    Row("getgid", 104, 176, "the same"),
    Row("getegid", 108, 177, "the same"),
    Row("getrusage", 98, 165, "CPU time and peak memory"),
    Row("getrlimit", 97, 163, "limits, in other C libraries"),
    Row("times", 100, 153, "os.times"),
    Row("uname", 63, 160, "names of the system"),
    Row("sysinfo", 99, 179, "size of the memory"),
)

ABSENT: Final = (
    Row("clone3", 435, 435, "its flags lie in memory, out of a filter's sight: C libraries then take clone"),
)
"""Answered as by a kernel that has not got them: ENOSYS."""

KILLED: Final = (
    Row("execve", 59, 221, "starts a program"),
    Row("execveat", 322, 281, "starts a program"),
    Row("fork", 57, None, "starts a process"),
    Row("vfork", 58, None, "starts a process"),
    Row("socket", 41, 198, "opens a way to the network or to other processes"),
    Row("socketpair", 53, 199, "opens a way to the network or to other processes"),
    Row("connect", 42, 203, "opens a way to the network or to other processes"),
    Row("bind", 49, 200, "opens a way to the network or to other processes"),
    Row("listen", 50, 201, "opens a way to the network or to other processes"),
    Row("accept", 43, 202, "opens a way to the network or to other processes"),
    Row("accept4", 288, 242, "opens a way to the network or to other processes"),
    Row("ptrace", 101, 117, "reads or writes other processes"),
    Row("process_vm_readv", 310, 270, "reads or writes other processes"),
    Row("process_vm_writev", 311, 271, "reads or writes other processes"),
    Row("process_madvise", 440, 440, "reads or writes other processes"),
    Row("process_mrelease", 448, 448, "reads or writes other processes"),
    Row("kcmp", 312, 272, "reads or writes other processes"),
    Row("pidfd_open", 434, 434, "reads or writes other processes"),
    Row("pidfd_getfd", 438, 438, "reads or writes other processes"),
    Row("pidfd_send_signal", 424, 424, "reads or writes other processes"),
    Row("kill", 62, 129, "signals other processes"),
    Row("tkill", 200, 130, "signals other processes"),
    Row("rt_sigqueueinfo", 129, 138, "signals other processes"),
    Row("rt_tgsigqueueinfo", 297, 240, "signals other processes"),
    Row("io_uring_setup", 425, 425, "does input and output behind the filter's back"),
    Row("io_uring_enter", 426, 426, "does input and output behind the filter's back"),
    Row("io_uring_register", 427, 427, "does input and output behind the filter's back"),
    Row("io_setup", 206, 0, "does input and output behind the filter's back"),
    Row("io_submit", 209, 2, "does input and output behind the filter's back"),
    Row("userfaultfd", 323, 282, "makes races in the kernel winnable"),
    Row("add_key", 248, 217, "kernel key rings"),
    Row("request_key", 249, 218, "kernel key rings"),
    Row("keyctl", 250, 219, "kernel key rings"),
    Row("mount", 165, 40, "changes what is mounted where"),
    Row("umount2", 166, 39, "changes what is mounted where"),
    Row("pivot_root", 155, 41, "changes what is mounted where"),
    Row("chroot", 161, 51, "changes what is mounted where"),
    Row("fsopen", 430, 430, "changes what is mounted where"),
    Row("fsconfig", 431, 431, "changes what is mounted where"),
    Row("fsmount", 432, 432, "changes what is mounted where"),
    Row("fspick", 433, 433, "changes what is mounted where"),
    Row("open_tree", 428, 428, "changes what is mounted where"),
    Row("move_mount", 429, 429, "changes what is mounted where"),
    Row("mount_setattr", 442, 442, "changes what is mounted where"),
    Row("bpf", 321, 280, "programs and probes in the kernel"),
    Row("perf_event_open", 298, 241, "programs and probes in the kernel"),
    Row("fanotify_init", 300, 262, "programs and probes in the kernel"),
    Row("lookup_dcookie", 212, 18, "programs and probes in the kernel"),
    Row("unshare", 272, 97, "other namespaces"),
    Row("setns", 308, 268, "other namespaces"),
    Row("name_to_handle_at", 303, 264, "opens files without a path, past Landlock's folders"),
    Row("open_by_handle_at", 304, 265, "opens files without a path, past Landlock's folders"),
    Row("memfd_create", 319, 279, "files without a name, from which code can be run"),
    Row("memfd_secret", 447, 447, "files without a name, from which code can be run"),
    Row("init_module", 175, 105, "code in the kernel"),
    Row("finit_module", 313, 273, "code in the kernel"),
    Row("delete_module", 176, 106, "code in the kernel"),
    Row("kexec_load", 246, 104, "code in the kernel"),
    Row("kexec_file_load", 320, 294, "code in the kernel"),
    Row("reboot", 169, 142, "the machine as a whole"),
    Row("swapon", 167, 224, "the machine as a whole"),
    Row("swapoff", 168, 225, "the machine as a whole"),
    Row("acct", 163, 89, "the machine as a whole"),
    Row("quotactl", 179, 60, "the machine as a whole"),
    Row("settimeofday", 164, 170, "the machine as a whole"),
    Row("clock_settime", 227, 112, "the machine as a whole"),
    Row("adjtimex", 159, 171, "the machine as a whole"),
    Row("clock_adjtime", 305, 266, "the machine as a whole"),
    Row("sethostname", 170, 161, "the machine as a whole"),
    Row("setdomainname", 171, 162, "the machine as a whole"),
    Row("syslog", 103, 116, "the machine as a whole"),
    Row("vhangup", 153, 58, "the machine as a whole"),
    Row("iopl", 172, None, "the machine as a whole"),
    Row("ioperm", 173, None, "the machine as a whole"),
    Row("personality", 135, 92, "other rules for the memory of this process"),
    Row("modify_ldt", 154, None, "other rules for the memory of this process"),
    Row("setuid", 105, 146, "other users"),
    Row("setgid", 106, 144, "other users"),
    Row("setreuid", 113, 145, "other users"),
    Row("setregid", 114, 143, "other users"),
    Row("setresuid", 117, 147, "other users"),
    Row("setresgid", 119, 149, "other users"),
    Row("setfsuid", 122, 151, "other users"),
    Row("setfsgid", 123, 152, "other users"),
    Row("setgroups", 116, 159, "other users"),
    Row("capset", 126, 91, "other users"),
    Row("shmget", 29, 194, "memory shared with other processes"),
    Row("shmat", 30, 196, "memory shared with other processes"),
    Row("shmctl", 31, 195, "memory shared with other processes"),
    Row("shmdt", 67, 197, "memory shared with other processes"),
)
"""What a worker calls only when somebody else has taken it over."""
