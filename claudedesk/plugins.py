"""Find, check, register and report plugins; a failing built-in raises, any other becomes a row."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import pluggy

from claudedesk import hookspecs
from claudedesk.types import Call, Command, Manifest, NavItem, Setting

APP: Final = "claudedesk"
API_VERSION: Final = 1
"""What `claudedesk.api` offers; a plugin that requires a newer one is refused in words."""


@dataclass(frozen=True, slots=True)
class Row:
    """One plugin as Settings and `claudedesk plugins` list it."""

    name: str
    version: str
    source: str
    state: str
    problem: str = ""


class Plugins:
    """The registered plugins. Each is called by itself, so that one that fails stops no other."""

    def __init__(self, manager: pluggy.PluginManager, rows: list[Row]) -> None:
        self.manager = manager
        self.rows = rows

    def collect(self, hook: str) -> list[tuple[str, Any]]:
        """Return (plugin, item) for every item that the plugins' lists hold, in order of registration."""
        found = []
        for implementation in _in_order(self.manager, hook):
            found += [(implementation.plugin_name, item) for item in implementation.function() or ()]
        return found

    def settings(self) -> list[Setting]:
        """Return the plugins' settings."""
        return [item for _name, item in self.collect("settings")]

    def nav_items(self) -> list[NavItem]:
        """Return the main navigation, in its order."""
        return sorted((item for _name, item in self.collect("nav_items")), key=lambda item: item.order)

    def commands(self) -> list[Command]:
        """Return the rows of palette, help and shortcuts."""
        return [item for _name, item in self.collect("commands")]

    def tell(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin something; one that raises becomes a row."""
        for implementation in _in_order(self.manager, hook):
            self._guarded(implementation, arguments)

    @contextmanager
    def around_call(self, call: Call) -> Iterator[None]:
        """Span a call with every plugin's context manager; what they raise never reaches the call."""
        with ExitStack() as stack:
            for implementation in _in_order(self.manager, "around_claude_call"):
                context = self._guarded(implementation, {"call": call})
                if context is not None:
                    self._enter(stack, implementation.plugin_name, context)
            yield

    def _enter(self, stack: ExitStack, name: str, context: Any) -> None:
        try:
            context.__enter__()
        except Exception as error:
            self._fault(name, error)
            return

        def leave(*exc: Any) -> None:
            try:
                context.__exit__(*exc)
            except Exception as error:
                self._fault(name, error)

        stack.push(leave)

    def _guarded(self, implementation: Any, arguments: dict[str, Any]) -> Any:
        try:
            return implementation.function(*(arguments[name] for name in implementation.argnames))
        except Exception as error:
            self._fault(implementation.plugin_name, error)
            return None

    def _fault(self, name: str, error: Exception) -> None:
        problem = f"{type(error).__name__} in a hook"
        self.rows = [
            Row(row.name, row.version, row.source, "failing", problem) if row.name == name else row
            for row in self.rows
        ]


def load() -> Plugins:
    """Register the built-in plugins. Raises ImportError when `blueprints` is somebody else's package."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    rows = [_register(manager, module, "built-in") for module in _built_in()]
    return Plugins(manager, rows)


def _built_in() -> Iterator[ModuleType]:
    package = importlib.import_module("blueprints")
    if getattr(package, "APP", None) != APP:
        raise ImportError(f"the package 'blueprints' at {package.__file__} is not claudedesk's")
    for name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        yield importlib.import_module(f"blueprints.{name}")


def _register(manager: pluggy.PluginManager, module: ModuleType, source: str) -> Row:
    told: Manifest = module.manifest()
    if told.requires_api > API_VERSION:
        raise ValueError(
            f"{told.name} needs version {told.requires_api} of the plugin API; this one has {API_VERSION}"
        )
    if manager.has_plugin(told.name):
        raise ValueError(f"two plugins are called {told.name}")
    manager.register(module, name=told.name)
    manager.check_pending()
    return Row(told.name, told.version, source, "on")


def _in_order(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    caller: Callable[..., Any] | None = getattr(manager.hook, hook, None)
    return list(caller.get_hookimpls()) if caller is not None else []  # type: ignore[attr-defined]
