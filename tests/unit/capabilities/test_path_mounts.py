"""The same files under other names, by mounting; each case runs in a mount namespace of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HELPERS = """
def mount(*arguments):
    subprocess.run(["mount", "--no-mtab", *arguments], check=True)
def show(source, target):
    mount("--rbind", source, target)
    # For root only, whom nothing else would stop; it changes this mount, not the file system.
    subprocess.run(["mount", "--no-mtab", "-o", "remount,bind,ro", target], capture_output=True)
for name in ("data/inner/deep", "out", "alias"):
    os.makedirs(name)
here = os.path.realpath(".")
"""


def test_bind_mounts_of_the_same_folder_are_the_same_folder(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
r, w = Preopen("data", "/r"), Preopen("alias", "/w", writable=True)
results["before"] = attempt(r, w)
mount("--bind", "data", "alias")
results["same"] = attempt(r, w)
results["inside"] = attempt(Preopen("data/inner", "/r"), w)
results["alike"] = attempt(r, Preopen("alias", "/w"))
results["separate"] = attempt(Preopen("out", "/r"), w)
results["forbidden"] = attempt(Preopen("alias", "/r"), forbidden=[pathlib.Path("data")])
results["above forbidden"] = attempt(Preopen("alias", "/r"), forbidden=[pathlib.Path("data/inner/deep")])
results["not forbidden"] = attempt(Preopen("alias", "/r"), forbidden=[pathlib.Path("out")])
"""
    )
    assert results["before"] == ["granted", "inner"]
    assert "the writable folder is the read-only one of preopen 'data'" in results["same"][1]
    assert "the writable folder contains the read-only one of preopen 'data/inner'" in results["inside"][1]
    assert results["alike"] == ["granted", "inner"]
    assert results["separate"] == ["granted"]
    assert "the folder is '" in results["forbidden"][1]
    assert "the folder contains '" in results["above forbidden"][1]
    assert results["not forbidden"] == ["granted", "inner"]


def test_bind_mounts_of_a_folder_further_inside(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
mount("--bind", "data/inner", "alias")
r, w = Preopen("data", "/r"), Preopen("alias", "/w", writable=True)
results["alias"] = attempt(r, w)
results["in alias"] = attempt(r, Preopen("alias/deep", "/w", writable=True))
results["forbidden"] = attempt(Preopen("alias/deep", "/r"), forbidden=[pathlib.Path("data")])
results["to come"] = attempt(Preopen("alias", "/r"), forbidden=[pathlib.Path("data/inner/later/cache")])
results["separate"] = attempt(Preopen("out", "/r"), w)
results["not forbidden"] = attempt(Preopen("alias/deep", "/r"), forbidden=[pathlib.Path("out")])
"""
    )
    through = "reaches, through a mount, files of"
    assert f"the writable folder {through} the read-only one of preopen 'data'" in results["alias"][1]
    assert f"the writable folder {through} the read-only one of preopen 'data'" in results["in alias"][1]
    assert f"the folder {through} '" in results["forbidden"][1]
    assert "the folder contains '" in results["to come"][1] or through in results["to come"][1]
    assert results["separate"] == ["granted"]
    assert results["not forbidden"] == ["granted"]


def test_what_is_mounted_below_a_folder_belongs_to_it(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
r, w = Preopen("data", "/r"), Preopen("out", "/w", writable=True)
results["before"] = attempt(r, w)
mount("--bind", "out", "data/inner")
results["after"] = attempt(r, w)
results["forbidden"] = attempt(r, forbidden=[pathlib.Path("out/cache")])
results["alike"] = attempt(r, Preopen("out", "/w"))
"""
    )
    assert results["before"] == ["granted", "inner"]
    assert "files of the read-only one of preopen 'data'" in results["after"][1]
    assert "a folder that no guest may reach" in results["forbidden"][1]
    assert results["alike"] == ["granted", "inner"]


def test_kernel_file_systems_under_other_names(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
os.mkdir("a b")
results["plain"] = attempt(Preopen("a b", "/r"))
show("/proc", "a b")
show("/proc/sys", "alias")
show("/sys", "data/inner/deep")
results["bound"] = attempt(Preopen("a b", "/r"))
results["part"] = attempt(Preopen("alias", "/r"))
results["inside"] = attempt(Preopen("a b/self", "/r"))
results["below"] = attempt(Preopen("data", "/r"))
results["beside"] = attempt(Preopen("out", "/r"))
"""
    )
    assert results["plain"] == ["granted"]
    assert "lies in /proc" in results["bound"][1]
    assert "lies in /proc" in results["part"][1]
    assert "lies in /proc" in results["inside"][1]
    assert "a file system of the kernel is mounted at '" in results["below"][1]
    assert results["beside"] == ["granted"]


def test_another_instance_of_proc(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
command = ["mount", "--no-mtab", "-t", "proc", "-o", "ro", "proc", "alias"]
made = subprocess.run(command, capture_output=True).returncode == 0
results["made"] = made
results["answer"] = attempt(Preopen("alias", "/r"))
results["inside"] = attempt(Preopen("alias/self" if made else "alias", "/r"))
"""
    )
    if results["made"]:
        for answer in (results["answer"], results["inside"]):
            assert "a file system of the kernel is mounted at '" in answer[1] or "lies in /proc" in answer[1]
    else:  # an ordinary user may not mount one; then there is nothing to refuse
        assert results["answer"] == results["inside"] == ["granted"]


def test_the_root_folder_under_another_name(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
show("/", "alias")
results["root"] = attempt(Preopen("alias", "/r"))
results["inside"] = attempt(Preopen("alias" + here + "/data", "/r"), forbidden=[pathlib.Path("data")])
results["beside"] = attempt(Preopen("alias" + here + "/out", "/r"), forbidden=[pathlib.Path("data")])
"""
    )
    assert "this is the root folder of the machine" in results["root"][1]
    assert "the folder is '" in results["inside"][1]
    assert results["beside"] == ["granted"]


def test_a_folder_mounted_on_its_own_child(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
mount("--bind", "data", "data/inner")
results["forbidden"] = attempt(Preopen("data/inner", "/r"), forbidden=[pathlib.Path(".")])
results["granted"] = attempt(Preopen("data/inner", "/r"), forbidden=[pathlib.Path("out")])
"""
    )
    assert "the folder lies in '" in results["forbidden"][1]
    assert results["granted"] == ["granted", "inner"]


def test_the_scratch_folder_leaves_mounts_alone(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        HELPERS
        + """
open("data/precious", "w").close()
logging.disable(logging.CRITICAL)
with open_preopens([Scratch()]) as opened:
    scratch = opened.entries[0].host
    os.makedirs(scratch / "a/b")
    os.mkdir(scratch / "c")
    open(scratch / "a/file", "w").close()
    mount("--bind", "data", str(scratch / "a/b"))
    mount("--bind", "data", str(scratch / "c"))
results["precious"] = sorted(os.listdir("data"))
results["file"] = sum(1 for _ in scratch.rglob("file"))
for line in open("/proc/self/mountinfo").read().splitlines():
    if str(scratch) in line:
        subprocess.run(["umount", "--no-mtab", line.split()[4]], check=True)
remove_scratch_folder(str(scratch), os.open(scratch, os.O_PATH | os.O_DIRECTORY))
results["gone"] = not scratch.exists()
"""
    )
    assert results == {"precious": ["inner", "precious"], "file": 0, "gone": True}
