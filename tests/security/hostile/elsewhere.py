"""Bad days that are no guest program: which test lives through them. Every file named here exists (tested)."""

from __future__ import annotations

from typing import Final

ELSEWHERE: Final[dict[str, list[tuple[str, str]]]] = {
    "paths": [
        ("folders exchanged for links while a grant is made", "tests/unit/capabilities/test_path_races.py"),
        ("bind mounts, kernel file systems under other names", "tests/unit/capabilities/test_path_mounts.py"),
        ("every host path and guest path that is refused", "tests/unit/capabilities/test_path_boundary.py"),
    ],
    "time": [("a read of standard input that blocks, in `wasirun`", "tests/integration/test_cli_life.py")],
    "memory": [
        ("random bytecode and random marshal data; a host thread with a small stack",
         "tests/security/test_hostile_memory_and_stack.py"),
    ],
    "floods": [
        ("the host's own memory under a flood of output", "tests/security/test_hostile_floods.py"),
        ("a full disk behind a writable folder", "tests/security/test_hostile_floods.py"),
        ("removing a tree of 10,000 levels", "tests/unit/capabilities/test_scratch_folders.py"),
        ("a full disk behind standard output", "tests/integration/test_cli_life.py"),
    ],
    "channel": [
        ("random bytes, random JSON, random members as a reply", "tests/unit/image/test_image_protocol.py"),
        ("what is shown at a terminal and answered to an editor, in `wasirun repl`",
         "tests/integration/test_cli_repl.py"),
        ("a listener that runs another program, or closes the sandbox", "tests/security/test_hostile_life.py"),
        ("random messages, memory and rings of the doorbell where functions of the host are granted",
         "tests/security/test_hostile_host_calls.py"),
        ("a plugin that tries all of this in an application, beside plugins that work",
         "tests/integration/test_markdown_host.py"),
    ],
    "state": [
        ("the whole memory of a guest searched for a secret; the image file", "tests/security/test_hostile_state.py"),
        ("runs in many threads are not mixed up", "tests/integration/test_freshness_of_runs.py"),
    ],
    "install": [
        ("a wrong digest, a cut or changed download, a server that trickles, redirects",
         "tests/unit/runtime/test_runtime_url.py"),
        ("pip with no network, another name, another digest, a killed pip", "tests/unit/runtime/test_runtime_fetch.py"),
        ("path traversal, links, bombs, missing and damaged members of archives",
         "tests/unit/runtime/test_runtime_archive.py"),
        ("20 first runs at once, kill -9 in mid-write, a read-only disk, a small disk, a flipped byte",
         "tests/unit/runtime/test_runtime_install.py"),
        ("owners, modes and links of the cache, a full disk, a read-only home",
         "tests/unit/runtime/test_runtime_cache.py"),
        ("damaged or foreign code and images", "tests/integration/test_cached_files.py"),
        ("wheels that climb, hold native code or other names, sources that want to be built",
         "tests/unit/image/test_packages_resolve.py"),
        ("image files that were cut, edited, forged in every field, bombs, links and climbing members",
         "tests/unit/image/test_transfer.py"),
        ("set-up code that reads, writes, connects, lies or spoils the interpreter for those who come after",
         "tests/security/test_image_walls.py"),
        ("set-up code that fails in every way; changed files of an image; a build killed in the middle",
         "tests/integration/test_images.py"),
    ],
    "life": [
        ("Ctrl-C, a closed pipe, a reader that does not read, SIGTERM", "tests/integration/test_cli_life.py"),
        ("fork, 200 runs at once, mixed ends at once, nothing piles up, use after close",
         "tests/security/test_hostile_life.py"),
        ("guests that flood and crash in a host whose own input and output are a protocol",
         "tests/security/test_hostile_life.py"),
        ("the same walls for an ordinary user", "tests/security/test_hostile_ordinary_user.py"),
    ],
}  # fmt: skip
"""Class -> (what happens, file of the test)."""
