"""The wall of resource limits: memory, descriptors and file sizes, hard and soft, never above the old hard limit."""

from __future__ import annotations

from typing import Final

from wasihost.containment.walls.kernel import IS_LINUX, NOT_LINUX

if IS_LINUX:
    import resource

STATUS: Final = "/proc/self/status"

_NO_SIZES: Final = f"the process cannot read its own size (needs /proc mounted: {STATUS})"

_ALWAYS: Final = ("RLIMIT_CORE", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO")
"""Nothing of these at all: no memory images on disk, no locked memory, no message queues, no raised priorities.

RLIMIT_NPROC is left alone: it counts every process and thread of the user, so that other programs of the same user
would decide whether a worker can start a thread; and the filter of system calls refuses new processes anyway.
"""


def memory_sizes() -> tuple[int, int]:
    """Return what counts against RLIMIT_AS and RLIMIT_DATA now, in bytes.

    Raises:
        OSError: /proc is not mounted.
        ValueError: It is not what Linux shows there.
    """
    sizes = {}
    with open(STATUS, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
        for line in file:
            name, _, rest = line.partition(b":")
            if name in (b"VmSize", b"VmData"):
                sizes[name] = int(rest.split()[0]) * 1024
    try:
        return sizes[b"VmSize"], sizes[b"VmData"]
    except KeyError as error:
        raise ValueError(f"{STATUS} has no line {error}") from None


def set_limits(*, data_bytes: int, address_bytes: int, open_files: int, file_bytes: int) -> str:
    """Set all limits; those for memory are room to grow beyond what the process has.

    Python ignores SIGXFSZ, so that a file that grows too large is an error (EFBIG) and not a signal.

    Returns:
        Why not all of them stand, or nothing.
    """
    wanted = {"RLIMIT_NOFILE": open_files, "RLIMIT_FSIZE": file_bytes} | dict.fromkeys(_ALWAYS, 0)
    why = ""
    try:
        size, data = memory_sizes()
        wanted |= {"RLIMIT_AS": size + address_bytes, "RLIMIT_DATA": data + data_bytes}
    except (OSError, ValueError):
        why = _NO_SIZES
    refused = [name for name, value in wanted.items() if not _lower(getattr(resource, name), value)]
    return f"the kernel did not take {', '.join(refused)}" if refused else why


def available() -> str:
    """Return why the limits could not be set here, or nothing."""
    if not IS_LINUX:
        return NOT_LINUX
    try:
        memory_sizes()
    except (OSError, ValueError):
        return _NO_SIZES
    return ""


def _lower(limit: int, value: int) -> bool:
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(limit, (value, value))
    except (OSError, ValueError):
        return False
    return resource.getrlimit(limit) == (value, value)
