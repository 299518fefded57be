"""Runs pip on behalf of another Python than the one that it runs on: a process of its own, never imported.

pip can be told for which Python and platform to choose wheels, but it judges markers (`; sys_platform == "win32"`),
what Python a chosen wheel says that it needs, and what is installed already by the Python that it runs on. Here it is
told all three: the markers and the version of the guest, and the distributions that come with its build. The order is
JSON: `pip` (folder to import it from), `installed` (folder with metadata), `markers`, `arguments`.
"""

import functools
import inspect
import json
import sys

NOT_THIS_PIP = 97
"""The exit status when pip's innards are not as they are known."""


def main() -> None:
    """Carry the order out and leave with pip's status."""
    order = json.loads(sys.argv[1])
    sys.path.append(order["pip"])
    try:
        from pip._internal.cli import cmdoptions
        from pip._internal.cli.main import main as run_pip
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
    if "--dry-run" in order["arguments"]:
        # Older versions want a folder to install into before they choose for another platform, even if they only look;
        # and with one, they take nothing for installed.
        cmdoptions.check_dist_restriction = lambda *_args, **_named: None
    sys.exit(run_pip(order["arguments"]))


if __name__ == "__main__":
    main()
