"""Many plugins side by side, and events that they are told of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from wasihost import errors
from wasihost.plugin import Plugin
from wasihost.plugins.declared import Hook
from wasihost.plugins.discovery import discover, discover_installed
from wasihost.plugins.package import PluginPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    """What came of one hook.

    Attributes:
        plugin: Name of the plugin.
        function: Its function.
        value: What that returned; None when it failed.
        error: Why it failed, None when it did not. `PluginSuspendedError` when it was not called at all.
    """

    plugin: str
    function: str
    value: Any = None
    error: errors.WasiHostError | None = None


class Plugins(Mapping[str, Plugin]):
    """Plugins by their names. Each has its own grants, limits and interpreter; none can see or stop another.

    A context manager: leaving it closes them all.
    """

    def __init__(self) -> None:
        self._plugins: dict[str, Plugin] = {}
        self.failed: dict[str, errors.WasiHostError] = {}
        """What `discover` could not load, by the name of its folder, archive or entry point."""

    def __getitem__(self, name: str) -> Plugin:
        return self._plugins[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def __len__(self) -> int:
        return len(self._plugins)

    def add(self, plugin: Plugin) -> Plugin:
        """Take a plugin in that was loaded.

        Raises:
            ConfigError: There is one of that name.
        """
        if plugin.name in self._plugins:
            raise errors.ConfigError(f"there is a plugin {plugin.name} already: remove({plugin.name!r}) closes it")
        self._plugins[plugin.name] = plugin
        return plugin

    def load(self, path: str | os.PathLike[str] | PluginPackage, **options: Any) -> Plugin:  # noqa: ANN401
        """Load a plugin and take it in; `options` are those of `Plugin.load`, which says what it raises."""
        plugin = Plugin.load(path, **options)
        try:
            return self.add(plugin)
        except errors.ConfigError:
            plugin.close()
            raise

    def discover(
        self, folder: str | os.PathLike[str] | None = None, *, options: Mapping[str, Any] | None = None
    ) -> list[Plugin]:
        """Load all plugins of a folder, or of installed distributions; what cannot be loaded is in `failed`.

        Args:
            folder: Holds folders, zips and wheels. None: entry points of the group "wasihost.plugins".
            options: Arguments of `Plugin.load` for all of them.

        Returns:
            Those that were loaded; what was there already is not loaded again.

        Raises:
            InvalidPluginError: There is no such folder.
        """
        loaded = []
        for found in discover_installed() if folder is None else discover(folder):
            try:
                if found.package is None:
                    raise found.error or errors.InvalidPluginError("is no plugin", file=found.name)
                self.failed.pop(found.name, None)
                if found.package.manifest.name in self:
                    continue  # it was found before; a changed one is taken over by `reload`
                place = found.package if folder is None else os.path.join(folder, found.name)  # noqa: PTH118 - a str
                loaded.append(self.load(place, **(options or {})))
            except errors.WasiHostError as error:
                self.failed[found.name] = error
        return loaded

    def remove(self, name: str) -> None:
        """Close a plugin and forget it.

        Raises:
            KeyError: There is none of that name.
            PluginCallError: It failed in `teardown()`; it is gone all the same.
        """
        self._plugins.pop(name).close()

    # -- events -------------------------------------------------------------------------------------------------------

    def listeners(self, event: str) -> list[tuple[Plugin, Hook]]:
        """Return who is told of an event, in the order in which they are: by priority, then by name."""
        found = [(plugin, hook) for plugin in self._plugins.values() for hook in plugin.hooks if hook.event == event]
        return sorted(found, key=lambda pair: (pair[1].priority, pair[0].name, pair[1].function))

    def emit(self, event: str, /, *args: Any, **kwargs: Any) -> tuple[HookResult, ...]:  # noqa: ANN401
        """Tell plugins of an event, one after the other. One that fails does not keep the others from being told.

        Args:
            event: What happened.
            *args: Passed to each of the functions.
            **kwargs: Likewise.
        """
        results = []
        for plugin, hook in self.listeners(event):
            try:
                value = plugin.call_hook(hook.function, args, kwargs)
            except errors.WasiHostError as error:
                results.append(HookResult(plugin=plugin.name, function=hook.function, error=error))
            else:
                results.append(HookResult(plugin=plugin.name, function=hook.function, value=value))
        return tuple(results)

    async def aemit(self, event: str, /, *args: Any, **kwargs: Any) -> tuple[HookResult, ...]:  # noqa: ANN401
        """Like `emit`, without blocking the event loop."""
        results = []
        for plugin, hook in self.listeners(event):
            try:
                value = await plugin.acall_hook(hook.function, args, kwargs)
            except errors.WasiHostError as error:
                results.append(HookResult(plugin=plugin.name, function=hook.function, error=error))
            else:
                results.append(HookResult(plugin=plugin.name, function=hook.function, value=value))
        return tuple(results)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close all; what one does in its `teardown()` is logged and keeps none of the others open."""
        while self._plugins:
            self._plugins.popitem()[1].end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Plugins {', '.join(self._plugins)}>"
