"""Other people's plugins in this application: what they are told, what they get, and what of their answers is believed.

A plugin may listen to `document.saved` (its function is passed the document's name and text) and may have reports
(exported functions whose names begin with "report", which are passed all documents). Both answer with a list of lines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from documents import Library

from wasihost import (
    FunctionLimits,
    Grants,
    GuestVisibleError,
    HostFunction,
    Limits,
    PendingCall,
    PluginFunction,
    Plugins,
    errors,
    host_function,
)

# Each call of a plugin: well over what counting and checking need, well under what anybody would notice.
LIMITS = Limits(
    fuel=5_000_000_000,
    deadline_seconds=4.0,
    memory_bytes=128 * 2**20,
    output_bytes=65_536,
    host_calls=2_000,
    value_bytes=262_144,
)
CALLS = FunctionLimits(calls=500, concurrent=4, argument_bytes=4_096, reply_bytes=4_096, call_seconds=1.0)
MAX_FAILURES = 3
MAX_LINES, MAX_CHARACTERS = 30, 160


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a plugin answered, ready to be shown.

    Attributes:
        plugin: Its name.
        function: Which of its functions.
        lines: What it said; empty when it failed.
        failure: Name of the class of the error, "" when there was none.
        why: The error's message.
    """

    plugin: str
    function: str
    lines: tuple[str, ...] = ()
    failure: str = ""
    why: str = ""


class Door:
    """Decides about the calls that one plugin makes of functions of this application, and counts them.

    A plugin may ask about a link that stands in one of the documents and leads to a place in the folder. It cannot try
    names to find out which files there are.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self.let_through = 0
        self.refused = 0

    def __call__(self, call: PendingCall) -> bool:
        """Let a call through or not; see `wasihost.Gate`."""
        document = self._library.documents.get(call.arguments["document"])
        target = call.arguments["target"]
        if document is None or target not in document.links:
            self.refused += 1
            return False
        if self._library.place(document.name, target) is None:
            self.refused += 1
            raise GuestVisibleError("this link leads out of the folder")
        self.let_through += 1
        return True


class Extensions:
    """The plugins of one folder. A context manager, which closes them.

    Args:
        folder: Holds them.
        library: The documents.
        containment: As for `wasihost.Plugin.load`.
    """

    def __init__(self, folder: Path, library: Library, *, containment: str = "process") -> None:
        self.plugins = Plugins()
        self.failed: dict[str, str] = {}
        self.doors: dict[str, Door] = {}
        self._library = library
        grants = Grants(functions=[link_resolver(library)], limits=LIMITS)
        for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
            door = Door(library)
            try:
                plugin = self.plugins.load(
                    path,
                    grants=grants,
                    function_limits=CALLS,
                    gate=door,
                    containment=containment,
                    max_failures=MAX_FAILURES,
                )
            except errors.WasiHostError as error:
                self.failed[path.name] = shown(str(error))
            else:
                self.doors[plugin.name] = door

    def saved(self, document: str) -> list[Answer]:
        """Tell all plugins that a document was saved."""
        text = self._library.documents[document].text
        results = self.plugins.emit("document.saved", document, text)
        return [
            failed(result.plugin, result.function, result.error)
            if result.error is not None
            else believed(result.plugin, result.function, result.value)
            for result in results
        ]

    def reports(self, wanted: Callable[[str], bool]) -> list[Answer]:
        """Ask the plugins that are wanted for all their reports."""
        documents = {name: document.text for name, document in self._library.documents.items()}
        functions = [
            function
            for name in sorted(self.plugins)
            if wanted(name)
            for function in self.plugins[name].functions.values()
            if function.name.startswith("report")
        ]
        return [report(function, documents) for function in functions]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.plugins.close()


def link_resolver(library: Library) -> HostFunction:
    """Return the one function of this application that plugins may call."""

    @host_function
    def resolve_link(document: str, target: str) -> str:
        """Say where a link of a document leads: "found", "no such file" or "no such heading"."""
        return library.resolve(document, target)

    return resolve_link


def report(function: PluginFunction, documents: dict[str, str]) -> Answer:
    """Ask for one report."""
    try:
        return believed(function.plugin.name, function.name, function(documents))
    except errors.WasiHostError as error:
        return failed(function.plugin.name, function.name, error)


def believed(plugin: str, function: str, value: object) -> Answer:
    """Take an answer for what it may be: some short lines of text, whatever the plugin's manifest says it returns."""
    if not isinstance(value, list) or len(value) > MAX_LINES or not all(isinstance(line, str) for line in value):
        why = f"answered something else than at most {MAX_LINES} lines of text"
        return Answer(plugin=plugin, function=function, failure="AnswerError", why=why)
    return Answer(plugin=plugin, function=function, lines=tuple(map(shown, value)))


def failed(plugin: str, function: str, error: errors.WasiHostError) -> Answer:
    """Say why there is no answer. The message may hold words of the plugin, like an answer."""
    return Answer(plugin=plugin, function=function, failure=type(error).__name__, why=shown(str(error)))


def shown(text: str) -> str:
    """Return a text as one line that can be printed: no line breaks, no terminal codes, nothing that turns it round."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MAX_CHARACTERS])
    return line + "..." * (len(text) > MAX_CHARACTERS)
