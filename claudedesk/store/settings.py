"""Every setting by its dotted name: validated on the way in, its default when nothing is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from claudedesk.errors import BadInput, UnknownSetting
from claudedesk.store import values
from claudedesk.store.database import Database
from claudedesk.types import Setting, utc_now

_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


class Settings:
    """The settings of core and plugins. Values are kept in memory: while an app runs it alone writes them."""

    def __init__(self, database: Database, specs: Iterable[Setting]) -> None:
        self._database = database
        self.specs: dict[str, Setting] = {}
        for spec in specs:
            if spec.name in self.specs:
                raise ValueError(f"two settings are called {spec.name}")
            self.specs[spec.name] = spec
        self._lock = threading.Lock()
        self._stored: dict[str, Any] | None = None
        self._listeners: list[Callable[[Mapping[str, Any]], None]] = []

    def on_change(self, listener: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `listener({name: value})` after each committed change."""
        self._listeners.append(listener)

    def spec(self, name: str) -> Setting:
        """Return the setting's description. Raises UnknownSetting."""
        try:
            return self.specs[name]
        except KeyError:
            raise UnknownSetting(f"There is no setting called {name!r}.") from None

    def get(self, name: str) -> Any:
        """Return the stored value, or the default when there is none or it no longer obeys its rule."""
        spec = self.spec(name)
        stored = self._load().get(name, spec.default)
        try:
            return parse(spec, stored)
        except BadInput:
            return spec.default

    def all(self) -> dict[str, Any]:
        """Return every known setting with its value."""
        return {name: self.get(name) for name in self.specs}

    def set(self, name: str, value: Any) -> Any:
        """Validate and store a value (text is read as the setting's kind); return it. Raises BadInput."""
        parsed = parse(self.spec(name), value)
        with self._database.write() as tx:
            values.set_setting(tx, name, parsed, now=utc_now())
        with self._lock:
            self._stored = None
        for listener in self._listeners:
            listener({name: parsed})
        return parsed

    def _load(self) -> dict[str, Any]:
        with self._lock:
            if self._stored is None:
                with self._database.read() as tx:
                    self._stored = values.settings(tx)
            return self._stored


def parse(spec: Setting, value: Any) -> Any:
    """Return `value` as the setting's kind. Raises BadInput, saying what would be right."""
    parsed = _PARSERS[spec.kind](spec, value)
    problem = spec.check(parsed) if spec.check else None
    if problem:
        raise BadInput(f"{spec.label}: {problem}")
    return parsed


def _bool(spec: Setting, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE + _FALSE:
        raise BadInput(f"{spec.label} is either on or off.")
    return word in _TRUE


def _int(spec: Setting, value: Any) -> int:
    try:
        number = (
            int(str(value).strip().replace("_", "").replace(",", "")) if not isinstance(value, bool) else None
        )
    except ValueError:
        number = None
    low, high = spec.minimum, spec.maximum
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        raise BadInput(f"{spec.label} must be a whole number{_range(low, high)}.")
    return number


def _range(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    return f" of at least {low:,}" if low is not None else f" of at most {high:,}" if high is not None else ""


def _choice(spec: Setting, value: Any) -> str:
    known = [name for name, _label in spec.choices]
    if value not in known:
        raise BadInput(f"{spec.label} must be one of: {', '.join(known)}.")
    return str(value)


def _text(spec: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{spec.label} must be text.")
    text = value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    if len(text) > spec.max_length:
        raise BadInput(f"{spec.label} may have {spec.max_length:,} characters at most.")
    return text


_PARSERS: Final[Mapping[str, Callable[[Setting, Any], Any]]] = {
    "bool": _bool,
    "int": _int,
    "choice": _choice,
    "text": _text,
    "lines": _text,
    "secret": _text,
}
