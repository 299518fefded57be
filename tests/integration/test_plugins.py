"""Plugins: what they export is called, with checked arguments and results, in what they were given and nothing else."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import logging
import os
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import plugin_lab
import pytest

import wasihost.plugin as plugin_module
from wasihost import (
    Grants,
    Limits,
    Outcome,
    Plugin,
    Plugins,
    Preopen,
    RunResult,
    Scratch,
    errors,
    host_function,
)
from wasihost.containment.job import default_size
from wasihost.loaded import ERRORS, Loaded
from wasihost.resources import guest_source

CONTAINMENTS = ("process", "in-process")
HUMANIZE = "02d0899527760efe18011944f882df4970943b4cdff7b5a0ba7fed43a576ef98"
"""sha256 of the wheel of humanize 4.17.0."""
LIMITS = Limits(deadline_seconds=20.0)

COUNT = """
WORDS = []

def count(text, top=2):
    words = text.split()
    WORDS.extend(words)
    return {"words": len(words), "most": sorted(set(words))[:top], "seen": len(WORDS)}
"""
COUNT_EXPORT = """
[exports.count]
description = "Count the words."
parameters = { text = { type = "string" }, top = { type = "integer", minimum = 0, default = 2 } }
returns = { type = "object", required = ["words"], properties = { words = { type = "integer" } } }
"""

Load = Callable[..., Plugin]


@pytest.fixture(params=CONTAINMENTS)
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Load]:
    """Write and load a plugin, in each containment; closed in the end, whatever its teardown does."""
    loaded: list[Plugin] = []

    def make(
        code: str, manifest: str = "", *, name: str = "tried", state: str = "fresh", folder: str | None = None,
        **options: Any,
    ) -> Plugin:  # fmt: skip
        path = plugin_lab.write(tmp_path / (folder or f"{name}-{len(loaded)}"), code, manifest, name=name, state=state)
        options = {"containment": request.param, "grants": Grants(limits=LIMITS)} | options
        loaded.append(Plugin.load(path, **options))
        return loaded[-1]

    yield make
    for plugin in loaded:
        plugin.end()


# -- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["fresh", "kept"])
def test_a_function_is_called_on_every_runtime(runtime: str, state: str, tmp_path: Path) -> None:
    path = plugin_lab.write(tmp_path / "p", COUNT, COUNT_EXPORT, state=state)
    text = (path / "plugin.toml").read_text().replace("[exports", f'runtime = "{runtime}"\n[exports', 1)
    (path / "plugin.toml").write_text(text)
    with Plugin.load(path, grants=Grants(limits=LIMITS)) as plugin:
        assert plugin.call("count", "b a b", top=1) == {"words": 3, "most": ["a"], "seen": 3}
        seen = {"fresh": 1, "kept": 4}[state]
        assert plugin.functions["count"](top=0, text="x") == {"words": 1, "most": [], "seen": seen}


def test_a_default_may_be_a_date(load: Load) -> None:
    parameters = """parameters = { day = { type = "string", format = "date", default = 2024-02-29 } }\n"""
    plugin = load("def f(day=None): return [day, type(day).__name__]\n", plugin_lab.exports("f") + parameters)
    assert plugin.call("f") == [datetime.date(2024, 2, 29), "date"]
    assert plugin.call("f", datetime.date(2025, 1, 1)) == [datetime.date(2025, 1, 1), "date"]


def test_it_tells_what_it_is(load: Load) -> None:
    plugin = load(COUNT, COUNT_EXPORT)
    assert (plugin.name, plugin.version, repr(plugin)) == ("tried", "1.0", "<Plugin tried 1.0>")
    function = plugin.functions["count"]
    assert (function.name, function.description, function.signature) == (
        "count", "Count the words.", "count(text, top=2)",
    )  # fmt: skip
    assert function.parameters["required"] == ["text"]
    assert function.parameters["properties"]["top"] == {"type": "integer", "minimum": 0, "default": 2}
    assert function.returns is not None
    assert function.returns["required"] == ["words"]
    assert "function  count(text, top=2): Count the words." in str(plugin.request)
    assert str(Plugin.request_of(load(COUNT, COUNT_EXPORT).request.name and plugin._path)) == str(plugin.request)


def test_values_go_both_ways(load: Load) -> None:
    plugin = load(
        "def back(value):\n    return [value, type(value).__name__]\n",
        plugin_lab.exports("back") + "parameters = { value = {} }\n",
    )
    when = datetime.datetime(2026, 11, 26, 8, 0, tzinfo=datetime.UTC)
    for value in (None, True, 2**80, 1.5, "é", b"\0\xff", [1, [2]], {"a": {"$": 1}}, when, Decimal("1.10")):
        assert plugin.call("back", value) == [value, type(value).__name__]
    assert plugin.call("back", "x" * 1_000_000)[0] == "x" * 1_000_000
    with pytest.raises(errors.PluginArgumentsError, match="object"):
        plugin.call("back", object())


def test_each_call_is_fresh_and_one_that_keeps_its_state_is_not(load: Load) -> None:
    fresh, keeping = load(COUNT, COUNT_EXPORT), load(COUNT, COUNT_EXPORT, state="kept")
    assert [fresh.call("count", "a b")["seen"] for _ in range(3)] == [2, 2, 2]
    assert [keeping.call("count", "a b")["seen"] for _ in range(3)] == [2, 4, 6]


def test_packages_modules_and_tracebacks(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    plugin_lab.write(folder, "", "")
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "inner" / "__init__.py").write_text("from .deep.leaf import leaf\nfrom . import side\n")
    (folder / "inner" / "side.py").write_text("'''Side.'''\nVALUE = __file__, __name__, __package__\n")
    (folder / "inner" / "deep" / "leaf.py").write_text("def leaf():\n    # here it fails\n    return 1 / 0\n")
    plugin = load(
        """
        import inspect
        from inner import leaf, side
        import inner.side
        def fail():
            return leaf()
        def where():
            return [*side.VALUE, __file__, inspect.getsource(side), __import__('sys').argv]
        """,
        plugin_lab.exports("fail", "where"),
        folder="tree",
    )
    assert plugin.call("where") == [
        "/plugin/inner/side.py", "inner.side", "inner", "/plugin/entry.py",
        "'''Side.'''\nVALUE = __file__, __name__, __package__\n", ["/plugin"],
    ]  # fmt: skip
    with pytest.raises(
        errors.PluginRaisedError, match=r"^the plugin tried raised ZeroDivisionError: .* in fail\(\)$"
    ) as caught:
        plugin.call("fail")
    assert caught.value.result is not None
    assert caught.value.result.error is not None
    trace = caught.value.result.error.traceback
    assert [line.strip() for line in trace.splitlines() if not line.strip().startswith("~")][1:5] == [
        'File "/plugin/entry.py", line 6, in fail', "return leaf()",
        'File "/plugin/inner/deep/leaf.py", line 3, in leaf', "return 1 / 0",
    ]  # fmt: skip


def test_files_that_it_brings(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "with-files"
    plugin_lab.write(folder, "", "")
    (folder / "words.txt").write_text("one two")
    plugin = load(
        """
        import os
        def words(write=False):
            if write:
                open("/plugin/words.txt", "w")
            with open(os.path.join(os.path.dirname(__file__), "words.txt")) as file:
                return file.read()
        """,
        plugin_lab.exports("words") + "parameters = { write = { default = false } }\n",
        folder="with-files",
    )
    (folder / "words.txt").write_text("something else, after it was read")
    assert plugin.call("words") == "one two"
    with pytest.raises(errors.PluginRaisedError, match=r"OSError|PermissionError|Read-only|not permitted"):
        plugin.call("words", write=True)
    (place,) = [Path(entry.host) for entry in plugin._loaded._preopens if isinstance(entry, Preopen)]
    assert place.stat().st_mode & 0o077 == 0
    plugin.close()
    assert not place.exists()


SAYS = """
import sys
print("imported")

def say(text):
    print(text, flush=True)
    print(text * 2, file=sys.stderr)
"""
SAYS_EXPORT = plugin_lab.exports("say") + 'parameters = { text = { type = "string" } }\n'


@pytest.mark.parametrize("state", ["fresh", "kept"])
def test_what_it_writes_can_be_heard(load: Load, state: str) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    plugin = load(SAYS, SAYS_EXPORT, state=state, on_stdout=out.append, on_stderr=err.append)
    heard_of_load = b"".join(out)
    assert heard_of_load == {"fresh": b"", "kept": b"imported\n"}[state]
    plugin.call("say", "a")
    plugin.call("say", "b")
    imported = b"imported\n" if state == "fresh" else b""
    assert b"".join(out) == heard_of_load + imported + b"a\n" + imported + b"b\n"
    assert b"".join(err) == b"aa\nbb\n"


@pytest.mark.parametrize("state", ["fresh", "kept"])
def test_who_hears_it_can_end_the_call_and_cannot_make_another(load: Load, state: str) -> None:
    tried: list[BaseException] = []

    def listen(data: bytes) -> None:
        if data == b"again\n":
            try:
                plugin.call("say", "inner")
            except errors.PluginRecursionError as error:
                tried.append(error)
        elif data == b"stop\n":
            raise ValueError("enough")

    plugin = load(SAYS, SAYS_EXPORT, state=state, on_stdout=listen)
    plugin.call("say", "again")
    assert [str(error) for error in tried] == [
        "the plugin tried waits for the function of the host that calls it again"
    ]
    with pytest.raises(errors.PluginLimitError, match="ValueError") as caught:
        plugin.call("say", "stop")
    assert caught.value.result is not None
    assert caught.value.result.outcome is Outcome.HOST_FAILED
    plugin.call("say", "goes on")


def test_zips_and_packages_can_be_loaded(tmp_path: Path) -> None:
    from wasihost.plugins.package import open_package, pack

    path = plugin_lab.write(tmp_path / "p", COUNT, COUNT_EXPORT)
    archive = pack(path, tmp_path / "p.zip")
    for source in (archive, str(archive), open_package(path)):
        with Plugin.load(source, containment="in-process") as plugin:
            assert plugin.call("count", "a")["words"] == 1


def test_awaitable_functions_and_life(load: Load) -> None:
    code = """
    import asyncio
    LOG = []
    async def setup():
        await asyncio.sleep(0)
        LOG.append("setup")
    def teardown():
        LOG.append("teardown")
        print(*LOG)
    async def told():
        await asyncio.sleep(0)
        LOG.append("call")
        return list(LOG)
    """
    fresh, keeping = (load(code, plugin_lab.exports("told"), state=state) for state in ("fresh", "kept"))
    assert [fresh.call("told") for _ in range(2)] == [["setup", "call"]] * 2
    assert [keeping.call("told") for _ in range(2)] == [["setup", "call"], ["setup", "call", "call"]]
    keeping.close()
    with pytest.raises(errors.ClosedError):
        keeping.call("told")


def test_asyncio_and_threads(load: Load) -> None:
    plugin = load(COUNT, COUNT_EXPORT)

    async def main() -> list[Any]:
        return await asyncio.gather(*[plugin.acall("count", "a " * n) for n in range(6)])

    assert [result["words"] for result in asyncio.run(main())] == list(range(6))
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: plugin.functions["count"]("a " * n), range(8)))
    assert [result["words"] for result in results] == list(range(8))


def test_a_function_that_returns_nothing_can_be_awaited(load: Load) -> None:
    plugin = load("def f(): pass\n", plugin_lab.exports("f"))
    plugin.on("happened", "f")
    listening = Plugins()
    listening.add(plugin)

    async def main() -> list[Any]:
        async with asyncio.timeout(30):
            return [await plugin.acall("f"), *[each.error for each in await listening.aemit("happened")]]

    assert asyncio.run(main()) == [None, None]


def test_cancelling_stops_a_call(load: Load) -> None:
    spin = "def spin():\n    while True: pass\n"
    for state in ("fresh", "kept"):
        plugin = load(spin, plugin_lab.exports("spin"), state=state)

        async def main(plugin: Plugin = plugin) -> None:
            task = asyncio.ensure_future(plugin.acall("spin"))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        began = time.monotonic()
        asyncio.run(main())
        plugin.end()
        assert time.monotonic() - began < 15


# -- what it is given -------------------------------------------------------------------------------------------------


def test_functions_of_the_host(load: Load) -> None:
    @host_function
    def search(word: str) -> list[str]:
        """Look a word up."""
        return [word * 2]

    @host_function
    async def later(word: str) -> str:
        """Look a word up later."""
        return word * 3

    code = """
    from host import search
    async def look(word):
        import host
        return search(word) + [await host.later(word)]
    """
    manifest = plugin_lab.exports("look") + "parameters = { word = { type = 'string' } }\n" + "".join(
        f'[[capabilities]]\nkind = "function"\nname = "{name}"\nreason = "To look words up."\n'
        for name in ("search", "later")
    )  # fmt: skip
    for state in ("fresh", "kept"):
        plugin = load(code, manifest, state=state, grants=Grants(functions=[search, later], limits=LIMITS))
        assert plugin.call("look", "ab") == ["abab", "ababab"]
        assert asyncio.run(plugin.acall("look", "c")) == ["cc", "ccc"]
        refusing = load(
            code, manifest, state=state, grants=Grants(functions=[search, later], limits=LIMITS), gate=lambda _: False
        )
        with pytest.raises(errors.PluginRaisedError, match="CallRefusedError"):
            refusing.call("look", "ab")
    with pytest.raises(errors.PluginGrantError, match=r"search.*To look words up.*functions=\[\.\.\.\]"):
        load(code, manifest, grants=Grants(functions=[later]))


def test_folders_environment_and_scratch(load: Load, folder: Path) -> None:
    (folder / "a.txt").write_text("from the host")
    code = """
    import os
    def all():
        with open("/documents/a.txt") as file:
            text = file.read()
        before = os.listdir("/scratch")
        open("/scratch/left", "w").close()
        return [text, os.environ["LANG"], before, sorted(os.environ)]
    """
    manifest = (
        plugin_lab.exports("all")
        + """
[[capabilities]]
kind = "directory"
guest = "/documents"
reason = "Reads."
[[capabilities]]
kind = "environment"
name = "LANG"
reason = "Speaks."
[[capabilities]]
kind = "scratch"
guest = "/scratch"
reason = "Sorts."
"""
    )
    grants = Grants(
        preopens=[Preopen(folder, "/documents"), Preopen(folder, "/other")], env={"LANG": "eo", "SECRET": "x"},
        scratch=Scratch(), limits=LIMITS,
    )  # fmt: skip
    plugin = load(code, manifest, grants=grants)
    first = plugin.call("all")
    assert first[:2] == ["from the host", "eo"]
    assert "SECRET" not in first[3]
    with pytest.raises(errors.PluginGrantError) as caught:
        load(code, manifest)
    assert len(caught.value.missing) == 3


def test_limits_are_the_lower_ones(load: Load) -> None:
    spin = "def spin():\n    while True: pass\ndef fine():\n    return 1\n"
    manifest = plugin_lab.exports("spin", "fine") + "[limits]\nfuel = 300_000_000\n"
    for state in ("fresh", "kept"):
        plugin = load(spin, manifest, state=state)
        with pytest.raises(errors.PluginLimitError, match="used up its fuel of 300000000") as caught:
            plugin.call("spin")
        assert caught.value.result is not None
        assert plugin.call("fine") == 1
    with pytest.raises(errors.PluginGrantError, match="fuel"):
        load(spin, manifest, grants=Grants(limits=Limits(fuel=200_000_000)))


# -- what can be wrong ------------------------------------------------------------------------------------------------


def test_every_step_has_an_error() -> None:
    told = re.findall(r'plugin_step = "(\w+)"', guest_source("plugins.py"))
    assert len(told) > len(ERRORS) and set(told) == set(ERRORS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((), {}), "missing required argument: 'text'"),
        ((("a", 1, 2), {}), "takes 2 positional arguments but 3 were given"),
        (((1,), {}), "text"),
        ((("a",), {"top": "1"}), "top"),
        ((("a",), {"top": -1}), "top"),
        ((("a",), {"nope": 1}), "unexpected keyword argument 'nope'"),
        ((("a",), {"text": "b"}), "multiple values for argument 'text'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(
    arguments: tuple[tuple[Any, ...], dict[str, Any]], words: str, tmp_path: Path
) -> None:
    path = plugin_lab.write(tmp_path / "p", COUNT, COUNT_EXPORT)
    with Plugin.load(path, containment="in-process") as plugin:
        with pytest.raises(errors.PluginArgumentsError, match=words) as caught:
            plugin.call("count", *arguments[0], **arguments[1])
        assert (caught.value.plugin, caught.value.function, caught.value.result) == ("tried", "count", None)
        with pytest.raises(errors.UnknownExportError, match="exports no function 'nope'; it exports count"):
            plugin.call("nope")
        assert plugin.call("count", "a")["words"] == 1


BROKEN = [
    ("def f(: pass\n", errors.PluginImportError, "SyntaxError"),
    ("1 / 0\n", errors.PluginImportError, "ZeroDivisionError.* when it was imported"),
    ("import nothing_like_it\n", errors.PluginImportError, "ModuleNotFoundError"),
    ("raise SystemExit(0)\n", errors.PluginImportError, "left its interpreter when it was imported"),
    ("", errors.PluginExportError, r"f\(\): its manifest exports it, and the module has none"),
    ("f = 3\n", errors.PluginExportError, r"f\(\): its manifest exports it, and the module has none"),
    ("def f(needed): pass\n", errors.PluginExportError, "needs needed, which its manifest does not name"),
    ("while True: pass\n", errors.PluginLimitError, "fuel"),
    ("import os\nos._exit(0)\n", errors.PluginLimitError, "the interpreter itself|its interpreter itself"),
    ("print('x' * 5_000_000)\n", errors.PluginLimitError, "more than 1048576 bytes"),
]


@pytest.mark.parametrize(("code", "error", "words"), BROKEN, ids=range(len(BROKEN)))
def test_what_cannot_be_loaded_says_why(load: Load, code: str, error: type[errors.PluginCallError], words: str) -> None:
    for state in ("fresh", "kept"):
        with pytest.raises(error, match=words) as caught:
            load(code, plugin_lab.exports("f"), state=state, grants=Grants(limits=Limits(fuel=10**9)))
        assert caught.value.plugin == "tried"


FAILING = [
    ("def f(): raise KeyError('k')\n", errors.PluginRaisedError, r"raised KeyError: 'k' in f\(\)"),
    ("def f(): raise SystemExit(0)\n", errors.PluginRaisedError, r"left its interpreter in f\(\)"),
    ("def setup(): 1 / 0\ndef f(): pass\n", errors.PluginSetupError, r"raised ZeroDivisionError: .* in setup\(\)"),
    ("def f(): return object()\n", errors.PluginResultError, "raised TypeError"),
    ("def f(): return {1: 2}\n", errors.PluginResultError, "raised TypeError"),
    ("def f(): return float('nan')\n", errors.PluginResultError, "raised ValueError"),
    ("def f(): return 'x' * 9_000_000\n", errors.PluginResultError, "the host reads 8388608"),
    ("def f(): return 'text'\n", errors.PluginResultError, "returned something else than it declares"),
    ("def f():\n    f()\n", errors.PluginRaisedError, "RecursionError"),
    ("def f(): import os; os._exit(3)\n", errors.PluginLimitError, "the interpreter itself|its interpreter itself"),
    ("def f(): return bytearray(10**9)\n", errors.PluginRaisedError, "MemoryError"),
    ("import sys\ndef f():\n    sys._getframe(1).f_globals['give_reply'] = lambda *_: None\n",
     errors.PluginLimitError, "reply"),
]  # fmt: skip
INTEGER = (
    "[exports.f]\ndescription = 'For the tests.'\nreturns = { type = 'integer' }\n[exports.fine]\ndescription = 'x'\n"
)


@pytest.mark.parametrize(("code", "error", "words"), FAILING, ids=range(len(FAILING)))
def test_what_fails_says_where_and_the_next_call_is_none_the_worse(
    load: Load, code: str, error: type[errors.PluginCallError], words: str
) -> None:
    code += "def fine(): return 1\n"
    for state in ("fresh", "kept"):
        plugin = load(code, INTEGER, state=state)
        for _ in range(2):
            with pytest.raises(error, match=words):
                plugin.call("f")
        if error is not errors.PluginSetupError:
            assert plugin.call("fine") == 1


def test_a_teardown_that_fails(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    code = "def f(): return 1\ndef teardown(): raise OSError('gone')\n"
    words = r"raised OSError: gone in teardown\(\)"
    with pytest.raises(errors.PluginTeardownError, match=words):
        load(code, plugin_lab.exports("f")).call("f")
    keeping = load(code, plugin_lab.exports("f"), state="kept")
    assert keeping.call("f") == 1
    with pytest.raises(errors.PluginTeardownError, match=words):
        keeping.close()
    with pytest.raises(errors.ClosedError):
        keeping.call("f")
    with caplog.at_level(logging.WARNING, "wasihost"):
        keeping.end()


def test_a_forged_answer_is_an_error(load: Load) -> None:
    code = """
    import sys
    def f():
        def forged(request, body, header):
            header["exit_code"] = 0
            return FORGED
        frame = sys._getframe(1).f_globals
        frame["give_reply"] = (lambda old: lambda header, value: old({"exit_code": 0}, FORGED))(frame["give_reply"])
    """
    for forged in ("b'\"!!!\"'", "b'17'", "b'[1]'", "b'\"AAAA\"'", "b'{}'", "b'\"BgAAAFsiZiIsWw==\"'"):
        plugin = load(code.replace("FORGED", forged), plugin_lab.exports("f"))
        with pytest.raises(errors.PluginResultError, match="makes no sense"):
            plugin.call("f")


def test_recursion_is_refused(load: Load) -> None:
    @host_function
    def again(name: str) -> str:
        """Call a plugin."""
        try:
            plugins[name].call("f", name)
        except errors.PluginCallError as error:
            return type(error).__name__
        return "called"

    code = "import host\ndef f(name):\n    return host.again(name) if name else ''\n"
    manifest = plugin_lab.exports("f") + (
        "parameters = { name = { type = 'string' } }\n"
        "[[capabilities]]\nkind = 'function'\nname = 'again'\nreason = 'To call others.'\n"
    )
    grants = Grants(functions=[again], limits=LIMITS)
    for state in ("fresh", "kept"):
        plugins = {name: load(code, manifest, name=name, grants=grants, state=state) for name in ("one", "other")}
        assert plugins["one"].call("f", "one") == "PluginRecursionError"
        assert plugins["one"].call("f", "other") == "called"  # and there it is refused
        assert plugins["one"].call("f", "") == ""


def test_a_function_of_the_host_cannot_close_the_plugin_that_calls_it(load: Load) -> None:
    tasks: list[Any] = []

    @host_function
    async def close() -> list[str]:
        """Close the plugin that calls, and call it when it has been called."""
        said = []
        for attempt in (plugins[-1].close, plugins[-1].end, plugins[-1].reload):
            try:
                attempt()
            except errors.PluginRecursionError as error:
                said.append(str(error).partition("that ")[2])
        tasks.append(asyncio.ensure_future(call_later()))
        return said

    async def call_later() -> Any:
        await freed.wait()
        return await plugins[-1].acall("f", again=False)

    code = "import host\nasync def f(again):\n    return await host.close() if again else 'called'\n"
    manifest = plugin_lab.exports("f") + (
        "parameters = { again = { type = 'boolean' } }\n"
        "[[capabilities]]\nkind = 'function'\nname = 'close'\nreason = 'To close.'\n"
    )

    async def main() -> list[Any]:
        nonlocal freed
        freed = asyncio.Event()
        said = await plugins[-1].acall("f", again=True)
        freed.set()
        return [said, await tasks.pop()]  # what was started meanwhile is not inside the call any more

    freed = asyncio.Event()
    plugins: list[Plugin] = []
    for state in ("fresh", "kept"):
        plugins.append(load(code, manifest, state=state, grants=Grants(functions=[close], limits=LIMITS)))
        assert asyncio.run(main()) == [["closes it", "closes it", "reads it again"], "called"]


def test_a_small_limit_on_values_is_one_on_results(load: Load) -> None:
    code = "def f(n):\n    return 'x' * n\n" + "".join(f"def g{n}(): return {n}\n" for n in range(200))
    manifest = plugin_lab.exports("f") + "parameters = { n = { type = 'integer' } }\n"
    for state in ("fresh", "kept"):
        plugin = load(code, manifest, state=state, grants=Grants(limits=Limits(value_bytes=1000)))
        assert plugin.call("f", 100) == "x" * 100
        with pytest.raises(errors.PluginResultError, match="the host reads 1000"):
            plugin.call("f", 2000)


def test_what_a_plugin_says_is_on_one_line(load: Load) -> None:
    plugin = load("def f():\n    raise ValueError('a\\n\\x1b[31mb')\n", plugin_lab.exports("f"))
    with pytest.raises(errors.PluginRaisedError) as caught:
        plugin.call("f")
    assert str(caught.value) == r"the plugin tried raised ValueError: a\n\x1b[31mb in f()"


def test_one_that_breaks_its_harness_begins_anew(load: Load) -> None:
    code = """
    import sys
    seen = []
    def f(bad):
        seen.append(bad)
        if bad:
            harness = sys._getframe(1).f_globals
            harness["encode_reply"] = harness["answer"] = harness["give_reply"] = None
        return len(seen)
    """
    manifest = plugin_lab.exports("f") + "parameters = { bad = { type = 'boolean' } }\n"
    plugin = load(code, manifest, state="kept")
    assert [plugin.call("f", False) for _ in range(2)] == [1, 2]
    with pytest.raises(errors.PluginCallError):
        plugin.call("f", True)
    for _ in range(3):
        try:
            assert plugin.call("f", False) in (1, 2, 3)
            break
        except errors.PluginCallError:
            continue
    else:
        pytest.fail("it never came back")


def test_one_that_was_never_up_is_not_taken_down(load: Load) -> None:
    code = "def setup(): 1 / 0\ndef teardown(): raise OSError\ndef f(): pass\n"
    load(code, plugin_lab.exports("f"), state="kept").close()
    plugin = load(code, plugin_lab.exports("f"), state="kept")
    with pytest.raises(errors.PluginSetupError):
        plugin.call("f")
    plugin.close()


def test_many_asynchronous_calls_take_few_threads(load: Load) -> None:
    plugin = load(COUNT, COUNT_EXPORT)

    async def main() -> tuple[list[int], int]:
        calls = asyncio.gather(*[plugin.acall("count", "a") for _ in range(150)])
        most = 0
        while not calls.done():
            most = max(most, threading.active_count())
            await asyncio.sleep(0.01)
        return [result["words"] for result in await calls], most

    before = threading.active_count()
    results, most = asyncio.run(main())
    assert results == [1] * 150
    assert most - before < 60


def test_versions(tmp_path: Path) -> None:
    path = plugin_lab.write(tmp_path / "p", COUNT, COUNT_EXPORT, version="1.5")
    Plugin.load(path, version=">=1,<2", containment="in-process").close()
    with pytest.raises(errors.PluginVersionError, match=r"tried is 1\.5, and >=2 is wanted"):
        Plugin.load(path, version=">=2")
    with pytest.raises(errors.ConfigError, match="version must be a range"):
        Plugin.load(path, version="new")
    for options in ({"max_failures": 0}, {"grants": {}}, {"containment": "none"}):
        with pytest.raises(errors.ConfigError):
            Plugin.load(path, **options)  # type: ignore[arg-type]
    (path / "plugin.toml").write_text((path / "plugin.toml").read_text().replace('api = "1"', 'api = "2"'))
    with pytest.raises(errors.InvalidPluginError, match=r"plugin.toml:4: plugin.api: .*version 2"):
        Plugin.load(path)


# -- changes ----------------------------------------------------------------------------------------------------------


def rewritten(path: Path, code: str, manifest: str = "", **about: Any) -> None:
    plugin_lab.write(path, code, manifest, **about)
    for file in path.iterdir():  # clocks of file systems may be coarse
        later = time.time_ns() + 10**9
        os.utime(file, ns=(later, later))


@pytest.mark.parametrize("state", ["fresh", "kept"])
def test_a_changed_plugin_is_taken_over(load: Load, state: str) -> None:
    plugin = load("def f(): return 1\n", plugin_lab.exports("f"), state=state, hot_reload=True)
    path = plugin._path
    assert path is not None
    assert plugin.call("f") == 1
    rewritten(path, "def f(): return 2\n", plugin_lab.exports("f"), version="1.1", state=state)
    assert plugin.call("f") == 2
    assert plugin.version == "1.1"
    # What cannot be loaded is not taken over.
    rewritten(path, "def f(: return 3\n", plugin_lab.exports("f"), state=state)
    assert plugin.call("f") == 2
    assert isinstance(plugin.reload_error, errors.PluginImportError)
    greedy = "[[capabilities]]\nkind = 'scratch'\nreason = 'More.'\n"
    rewritten(path, "def f(): return 4\n", plugin_lab.exports("f") + greedy, state=state)
    assert plugin.call("f") == 2
    assert isinstance(plugin.reload_error, errors.PluginGrantError)
    rewritten(path, "def f(): return 5\n", plugin_lab.exports("f"), state=state)
    assert plugin.call("f") == 5
    assert plugin.reload_error is None


def test_an_export_that_goes_while_it_is_called(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that a call goes on with decides whether there is such a function."""
    code = "def f(): return 1\ndef g(): return 2\n"
    plugin = load(code, plugin_lab.exports("f", "g"))
    path, real = plugin._path, Loaded.call
    assert path is not None

    def overtaken(loaded: Loaded, *args: Any, **options: Any) -> Any:
        monkeypatch.setattr(Loaded, "call", real)
        rewritten(path, code, plugin_lab.exports("f"))
        with ThreadPoolExecutor(1) as other:  # not from within the call
            assert other.submit(plugin.reload).result() is True
        return real(loaded, *args, **options)

    monkeypatch.setattr(Loaded, "call", overtaken)
    with pytest.raises(errors.UnknownExportError, match="exports no function 'g'; it exports f"):
        plugin.call("g")
    monkeypatch.setattr(Loaded, "call", overtaken)
    rewritten(path, code, plugin_lab.exports("f", "g"))
    assert plugin.reload() is True
    assert plugin.call("f") == 1


def test_files_are_looked_at_once(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    real = plugin_module._stamp_of
    monkeypatch.setattr(plugin_module, "_stamp_of", lambda path: (looks.append(path), real(path))[1])
    hook = "[[hooks]]\nevent = 'saved'\nfunction = 'f'\n"
    plugin = load("def f(): return 1\n", plugin_lab.exports("f") + hook, hot_reload=True)
    assert len(looks) == 1
    assert plugin.call("f") == 1
    assert len(looks) == 2
    assert plugin.call_hook("f", (), {}) == 1
    assert len(looks) == 3
    assert asyncio.run(plugin.acall_hook("f", (), {})) == 1
    assert len(looks) == 4


def test_a_plugin_is_read_again_when_asked(load: Load) -> None:
    plugin = load("def f(): return 1\n", plugin_lab.exports("f"))
    path = plugin._path
    assert path is not None
    rewritten(path, "def f(): return 2\ndef g(): return 3\n", plugin_lab.exports("f", "g"))
    assert plugin.call("f") == 1
    assert plugin.reload() is True
    assert (plugin.call("f"), plugin.call("g")) == (2, 3)
    assert plugin.reload() is False
    rewritten(path, "def f(): return 2\n", plugin_lab.exports("f"), name="another")
    with pytest.raises(errors.InvalidPluginError, match="calls itself another now"):
        plugin.reload()
    assert plugin.call("g") == 3


def test_links_in_a_plugin_are_not_followed_to_see_changes(tmp_path: Path) -> None:
    path = plugin_lab.write(tmp_path / "p", "def f(): return 1\n", plugin_lab.exports("f"))
    for name in "abc":
        (path / name).symlink_to(".")
    (path / "root").symlink_to("/")
    with pytest.raises(errors.InvalidPluginError, match="holds the link"):
        Plugin.load(path, hot_reload=True)


def test_a_path_means_what_it_meant_when_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plugin_lab.write(tmp_path / "here" / "p", "def f(): return 1\n", plugin_lab.exports("f"))
    plugin_lab.write(tmp_path / "there" / "p", "def f(): return 'another'\n", plugin_lab.exports("f"))
    monkeypatch.chdir(path.parent)
    with Plugin.load("p", hot_reload=True, containment="in-process") as plugin:
        monkeypatch.chdir(tmp_path / "there")
        assert plugin.call("f") == 1


def test_the_end_of_a_forked_child_leaves_the_files_of_its_parent(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "with-files"
    plugin_lab.write(folder, "", "")
    (folder / "words.txt").write_text("one two")
    plugin = load("def f(): return open('/plugin/words.txt').read()\n", plugin_lab.exports("f"), folder="with-files")
    child = os.fork()
    if child == 0:
        try:
            assert plugin._loaded._drop_folder is not None
            plugin._loaded._drop_folder()  # as when it ends
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert plugin.call("f") == "one two"


# -- many of them, and hooks ------------------------------------------------------------------------------------------

LISTENING = """
def saved(path, text):
    {body}
"""
HOOK = "[[hooks]]\nevent = 'document.saved'\nfunction = 'saved'\npriority = {priority}\n"


@pytest.fixture(params=CONTAINMENTS)
def plugins(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[dict[str, tuple[str, int]]], Plugins]]:
    made: list[Plugins] = []

    def make(bodies: dict[str, tuple[str, int]]) -> Plugins:
        folder = tmp_path / f"set-{len(made)}"
        for name, (body, priority) in bodies.items():
            plugin_lab.write(folder / name, LISTENING.format(body=body), HOOK.format(priority=priority), name=name)
        made.append(Plugins())
        made[-1].discover(folder, options={"containment": request.param, "grants": Grants(limits=LIMITS)})
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_hooks_are_called_by_priority_and_fail_alone(
    plugins: Callable[[dict[str, tuple[str, int]]], Plugins], caplog: pytest.LogCaptureFixture
) -> None:
    listening = plugins(
        {
            "zeta": ("return ['first', path]", 1),
            "alpha": ("return len(text)", 50),
            "broken": ("raise ValueError('no')", 20),
            "greedy": ("while True: bytearray(10**9)", 30),
        }
    )
    assert sorted(listening) == ["alpha", "broken", "greedy", "zeta"]
    with caplog.at_level(logging.WARNING, "wasihost"):
        for round_ in range(1, 5):
            results = listening.emit("document.saved", "/a.md", text="12345")
            assert [result.plugin for result in results] == ["zeta", "broken", "greedy", "alpha"]
            assert [result.value for result in results] == [["first", "/a.md"], None, None, 5]
            assert results[0].error is results[3].error is None
            expected = errors.PluginRaisedError if round_ <= 3 else errors.PluginSuspendedError
            assert isinstance(results[1].error, expected)
            assert isinstance(results[2].error, expected)
            assert listening["broken"].failures == min(round_, 3)
            assert listening["broken"].suspended is (round_ >= 3)
    assert "a hook of the plugin broken failed" in caplog.text
    listening["broken"].resume()
    assert not listening["broken"].suspended
    again = listening.emit("document.saved", "/a.md", text="12345")
    assert isinstance(again[1].error, errors.PluginRaisedError)
    assert isinstance(again[2].error, errors.PluginSuspendedError)
    assert listening.emit("nothing.like.it") == ()


def test_success_in_between_counts_from_nought(plugins: Callable[[dict[str, tuple[str, int]]], Plugins]) -> None:
    listening = plugins({"moody": ("return 1 // len(text)", 1)})
    for text in ("", "", "a", "", "", "a"):
        (result,) = listening.emit("document.saved", "/", text)
        assert (result.error is None) is bool(text)
    assert not listening["moody"].suspended


def test_hooks_can_be_added_and_taken_back(load: Load) -> None:
    plugin = load("def f(n): return n + 1\n", plugin_lab.exports("f") + "parameters = { n = { type = 'integer' } }\n")
    listening = Plugins()
    listening.add(plugin)
    plugin.on("counted", "f", priority=3)
    plugin.on("counted", "f", priority=2)
    assert [(hook.event, hook.function, hook.priority) for hook in plugin.hooks] == [("counted", "f", 2)]
    assert [result.value for result in listening.emit("counted", 1)] == [2]
    assert [result.value for result in asyncio.run(listening.aemit("counted", n=2))] == [3]
    (refused,) = listening.emit("counted", "text")  # arguments are checked for hooks as well
    assert isinstance(refused.error, errors.PluginArgumentsError)
    plugin.off("counted", "f")
    assert listening.emit("counted", 1) == ()
    with pytest.raises(errors.UnknownExportError):
        plugin.on("counted", "g")
    with pytest.raises(errors.ConfigError):
        listening.add(plugin)
    listening.remove("tried")
    assert len(listening) == 0


def test_what_cannot_be_loaded_is_told_beside_the_others(tmp_path: Path) -> None:
    plugin_lab.write(tmp_path / "good", "def f(): return 1\n", plugin_lab.exports("f"), name="good")
    plugin_lab.write(tmp_path / "raises", "1 / 0\n", plugin_lab.exports("f"), name="raises")
    plugin_lab.write(tmp_path / "wrong", "", "nonsense = 1\n", name="wrong")
    with Plugins() as found:
        loaded = found.discover(tmp_path, options={"containment": "in-process"})
        assert [plugin.name for plugin in loaded] == ["good"]
        assert {name: type(error) for name, error in found.failed.items()} == {
            "raises": errors.PluginImportError, "wrong": errors.InvalidPluginError,
        }  # fmt: skip
        assert found["good"].call("f") == 1
        plugin_lab.write(tmp_path / "raises", "def f(): return 2\n", plugin_lab.exports("f"), name="raises")
        (mended,) = found.discover(tmp_path, options={"containment": "in-process"})
        assert mended.name == "raises"
        assert list(found.failed) == ["wrong"]


def test_many_plugins_share_their_workers(tmp_path: Path, quiet_host: None) -> None:
    del quiet_host
    with Plugins() as many:
        for number in range(12):
            code = (
                f"import sys\nsys.mine = {number}\n"
                "def f(): return [sys.mine, [name for name in sys.modules if 'entry' in name]]\n"
            )
            path = plugin_lab.write(tmp_path / f"p{number}", code, plugin_lab.exports("f"), name=f"p{number}")
            many.load(path)
        for _ in range(2):
            for number in range(12):
                assert many[f"p{number}"].call("f") == [number, ["entry"]]
        # One for each core, and one spare.
        assert 1 <= len(children()) <= default_size() + 1


def test_a_plugin_may_have_workers_of_its_own(tmp_path: Path, quiet_host: None) -> None:
    del quiet_host
    path = plugin_lab.write(tmp_path / "p", COUNT, COUNT_EXPORT)
    with (
        Plugin.load(path, own_workers=True, require_walls="process") as one,
        Plugin.load(path, own_workers=True) as other,
    ):
        assert one.call("count", "a") == other.call("count", "a")
        workers = [set(plugin._loaded._own_runner().pids()) for plugin in (one, other)]
        assert all(workers)
        assert workers[0].isdisjoint(workers[1])
    with pytest.raises(errors.ConfigError, match="no wall 'moat'"):
        Plugin.load(path, require_walls=["moat"])


def test_each_call_is_told_with_its_run(load: Load) -> None:
    told: list[tuple[str, RunResult]] = []
    code = "def f(n):\n    print('n is', n)\n    return 1 // n\n"
    for state in ("fresh", "kept"):
        manifest = plugin_lab.exports("f") + "parameters = { n = { type = 'integer' } }\n"
        plugin = load(code, manifest, state=state, on_run=lambda *what: told.append(what))
        assert told == []  # it was merely looked at
        plugin.call("f", 1)
        with pytest.raises(errors.PluginRaisedError):
            plugin.call("f", 0)
        assert [(name, run.stdout) for name, run in told] == [("f", "n is 1\n"), ("f", "n is 0\n")]
        assert all(run.fuel_consumed for _, run in told)
        told.clear()


def test_packages_that_it_brings(tmp_path: Path) -> None:
    """One from the index, locked by its digest, and a wheel within the plugin; both are there, the second time soon."""
    wheel = tmp_path / "p" / "wheels" / "shouting-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("shouting.py", "def shout(text):\n    return text.upper()\n")
        about = "Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n"
        archive.writestr("shouting-1.0.dist-info/METADATA", about)
        archive.writestr(
            "shouting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("shouting-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    manifest = plugin_lab.exports("f") + "".join(
        f"[[dependencies]]\nname = '{name}'\nversion = '{version}'\nsha256 = '{sha256}'\n{more}"
        for name, version, sha256, more in (
            ("humanize", "4.17.0", HUMANIZE, ""),
            ("shouting", "1.0", digest, "wheel = 'wheels/shouting-1.0-py3-none-any.whl'\n"),
        )
    )
    code = """
    import humanize, shouting
    def f(): return [shouting.shout("a"), humanize.intcomma(1234567)]
    """
    path = plugin_lab.write(tmp_path / "p", code, manifest)
    for _ in range(2):
        with Plugin.load(path, containment="in-process") as plugin:
            assert plugin.call("f") == ["A", "1,234,567"]
    with pytest.raises(errors.PluginGrantError, match="packages of its own"):
        Plugin.load(path, grants=Grants(image="data"))
    plugin_lab.write(path, code, manifest.replace(HUMANIZE, "0" * 64))
    with pytest.raises(errors.PackageError):
        Plugin.load(path, containment="in-process")


def children() -> list[str]:
    """Processes that this one has started."""
    tasks = Path("/proc/self/task")
    return [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
