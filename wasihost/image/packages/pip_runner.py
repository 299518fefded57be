"""Runs pip on behalf of another Python than the one that it runs on: a process of its own, never imported.

pip can be told for which Python and platform to choose wheels, but it judges markers (`; sys_platform == "win32"`),
what Python a chosen wheel says that it needs, and what is installed already by the Python that it runs on. Here it is
told all three: the markers and the version of the guest, and the distributions that come with its build. The order is
JSON: `pip` (folder to import it from), `installed` (folder with metadata), `markers`, `prefixes` (where its own Python
is, and with it a configuration of a virtual environment), `largest` (bytes of a file), `arguments`.

Of the user's settings, those count that say where packages come from and how to get there. The others are about
installing for this Python (`user`, `target`, `no-deps`, `require-virtualenv`), and would break or falsify the choice.
"""

import functools
import inspect
import json
import sys

NOT_THIS_PIP = 97
"""The exit status when pip's innards are not as they are known."""
SETTINGS = frozenset(
    {
        "cache-dir", "cert", "client-cert", "constraint", "default-timeout", "extra-index-url", "find-links",
        "index-url", "keyring-provider", "no-cache-dir", "no-index", "proxy", "resume-retries", "retries", "timeout",
        "trusted-host",
    }
)  # fmt: skip
"""The settings that count, from files and from the environment."""


def main() -> None:
    """Carry the order out and leave with pip's status."""
    order = json.loads(sys.argv[1])
    _bound(order["largest"])
    # Without `site`, an interpreter of a virtual environment does not know that it is one.
    sys.prefix, sys.exec_prefix, sys.base_prefix = order["prefixes"]
    sys.path.append(order["pip"])
    try:
        from pip._internal.cli import cmdoptions
        from pip._internal.cli.main import main as run_pip
        from pip._internal.cli.parser import ConfigOptionParser
        from pip._internal.cli.req_command import RequirementCommand
        from pip._vendor.packaging import markers
    except ImportError:
        sys.exit(NOT_THIS_PIP)
    sys.path.remove(order["pip"])
    sys.path.append(order["installed"])
    environment = dict(order["markers"])
    if not hasattr(markers, "default_environment"):
        sys.exit(NOT_THIS_PIP)
    markers.default_environment = lambda: dict(environment)
    if not markers.Marker(f"python_full_version == '{environment['python_full_version']}'").evaluate():
        sys.exit(NOT_THIS_PIP)
    make_resolver = RequirementCommand.make_resolver
    if "py_version_info" not in inspect.signature(make_resolver).parameters:
        sys.exit(NOT_THIS_PIP)
    version = tuple(int(part) for part in environment["python_full_version"].split("."))
    setattr(RequirementCommand, "make_resolver", functools.partial(make_resolver, py_version_info=version))  # noqa: B010
    if not hasattr(ConfigOptionParser, "_get_ordered_configuration_items"):
        sys.exit(NOT_THIS_PIP)
    every = ConfigOptionParser._get_ordered_configuration_items  # noqa: SLF001 - there is no other way in

    def those_that_count(parser: ConfigOptionParser) -> list[tuple[str, object]]:
        # To the user, this is all about installing: what is set for that alone holds for downloading and asking too.
        name = parser.name
        parser.name = "install" if name in {"download", "index"} else name
        try:
            return [(key, value) for key, value in every(parser) if key in SETTINGS]
        finally:
            parser.name = name

    setattr(ConfigOptionParser, "_get_ordered_configuration_items", those_that_count)  # noqa: B010
    if "--dry-run" in order["arguments"]:
        # Older versions want a folder to install into before they choose for another platform, even if they only look;
        # and with one, they take nothing for installed.
        cmdoptions.check_dist_restriction = lambda *_args, **_named: None
    sys.exit(run_pip(order["arguments"]))


def _bound(largest: int) -> None:
    """End with whoever asked, where the system can do that, and store no file that is longer than a package may be."""
    if sys.platform != "linux":
        return
    import ctypes
    import resource
    import signal

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    most = largest if hard == resource.RLIM_INFINITY else min(largest, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error that pip tells of, instead of a death


if __name__ == "__main__":
    main()
