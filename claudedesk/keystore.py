"""The API key: cleaned, kept in the system's keyring, never shown; the only file that imports keyring."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from claudedesk.config import Config
from claudedesk.errors import BadInput, KeyringError

SERVICE: Final = "claudedesk"
USER: Final = "anthropic-api-key"
VARIABLE: Final = "ANTHROPIC_API_KEY"
LONGEST: Final = 500
"""Characters. Keys have about 110; Windows Credential Manager takes 1,280 (2,560 bytes of UTF-16)."""
PATIENCE_S: Final = 20.0

_FREEDESKTOP: Final = "the system keyring (Secret Service)"
_KDE: Final = "KDE Wallet"
SAFE: Final = {
    "keyring.backends.SecretService.Keyring": _FREEDESKTOP,
    "keyring.backends.libsecret.Keyring": _FREEDESKTOP,
    "keyring.backends.kwallet.DBusKeyring": _KDE,
    "keyring.backends.kwallet.DBusKeyringKWallet4": _KDE,
    "keyring.backends.Windows.WinVaultKeyring": "Windows Credential Manager",
    "keyring.backends.macOS.Keyring": "macOS Keychain",
}
"""The keyring's own backends that encrypt, by class, with the name people know (SEC-16).

An allow-list, so that it fails closed: from the outside a third party's backend that encrypts and one
that writes a plain file look alike, and a subclass of a safe one may store elsewhere.
"""
_CHAINER: Final = "keyring.backends.chainer.ChainerBackend"
_ADVICE: Final = "On Linux, start GNOME Keyring or KDE Wallet, then start claudedesk again."
_NO_KEYRING: Final = {
    "keyring.backends.fail.Keyring": f"This system offers no keyring. {_ADVICE}",
    "keyring.backends.null.Keyring": "The keyring is switched off in keyring's own settings.",
}
_SILENT: Final = (
    "The system keyring does not answer. Perhaps it asks for its password in a window of its own: "
    "look for it, answer it and try again."
)
_WORDS: Final = {
    "KeyringLocked": "The system keyring is locked. Unlock it and try again.",
    "LockedException": "The system keyring is locked. Unlock it and try again.",
    "PromptDismissedException": "The system keyring was not unlocked. Unlock it and try again.",
    "NoKeyringError": _NO_KEYRING["keyring.backends.fail.Keyring"],
    "PasswordSetError": "The system keyring refused to keep the key.",
    "PasswordDeleteError": "The system keyring refused to delete the key.",
    "InitError": "The system keyring cannot be opened. Check that it is running.",
    "SecretServiceNotAvailableException": "The system keyring cannot be reached. Check that it is running.",
    "ConnectionError": "The system keyring cannot be reached. Check that it is running.",
    "ImportError": "The keyring library cannot be loaded.",
}
"""By the class's name, so that no backend has to be imported. An unknown error shows its class only: its
text, and its context, might hold the key."""

Source = Literal["environment", "keyring", "memory"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A key fit for an HTTP header; `removed` and `warning` are sentences without it, or empty."""

    key: str = field(repr=False)
    removed: str
    warning: str


@dataclass(frozen=True, slots=True)
class KeyState:
    """What may be shown about the key; never the key (SEC-19). `sentence` is for people."""

    set: bool
    last4: str
    source: Source | None
    sentence: str
    keyring_name: str | None
    keyring_problem: str
    keyring_class: str = ""


_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_PREFIX: Final = re.compile(
    r"""(?:(?:export|set|setx|env)\ +|\$env:)?["']?ANTHROPIC_API_KEY["']?(?:\ *[=:]\ *|\ +|\Z)
    |(?:authorization\ *:\ *)?bearer(?:\ +|\Z)|x-api-key\ *:\ *""",
    re.IGNORECASE | re.VERBOSE,
)
_CLOSING: Final = re.compile(rf"(?<=[{_QUOTES}])[,;]\Z")


def clean(raw: str) -> Cleaned:
    """Return the key within what was pasted, and say what was removed.

    Raises BadInput, whose words never hold the key, when no key is there or it cannot be one (SEC-17).
    """
    if len(raw) > 20 * LONGEST:
        raise BadInput(f"This is too long for a key: keys have at most {LONGEST} characters.")
    visible = [c for c in raw if unicodedata.category(c) != "Cf"]
    removed = ["invisible characters"] if len(visible) < len(raw) else []
    text = "".join(" " if c in "\t\r\n\v\f" or unicodedata.category(c)[0] == "Z" else c for c in visible)
    key = ""
    while key != text:  # what is joined may be wrapped again, and a clean key must stay as it is
        key, text = text, _join(_unwrap(text, removed), removed)
    _check(key)
    told = f"Removed from the key: {', '.join(dict.fromkeys(removed))}." if removed else ""
    return Cleaned(key, told, _doubt(key))


def _unwrap(text: str, removed: list[str]) -> str:
    """Take off blanks, quotes and assignments, in whatever order they are wrapped around each other."""
    while True:
        before = text
        text = text.strip(" ")
        if text != before:
            removed.append("spaces or line breaks")
        bare = _CLOSING.sub("", text).strip(_QUOTES)
        if bare != text:
            removed.append("quotes")
        text = bare
        if match := _PREFIX.match(text):
            removed.append("the words before the key")
            text = text[match.end() :]
        if text == before:
            return text


def _join(text: str, removed: list[str]) -> str:
    pieces = [piece for piece in text.split(" ") if piece]
    if any(piece.startswith("sk-ant-") for piece in pieces[1:]):
        raise BadInput("There is more than one key, or other words before the key. Paste the key alone.")
    if "".join(pieces) != text:
        removed.append("spaces or line breaks")
    return "".join(pieces)


def _check(key: str) -> None:
    if not key:
        raise BadInput("There is no key here. Paste the key from the Claude Console.")
    if len(key) > LONGEST:
        raise BadInput(f"This is too long for a key: keys have at most {LONGEST} characters.")
    for place, character in enumerate(key, 1):
        if not 0x21 <= ord(character) <= 0x7E:
            raise BadInput(
                f"Character {place} of the key cannot be part of a key, which has only plain letters, digits "
                "and signs. Copy the key again from the Claude Console."
            )


def _doubt(key: str) -> str:
    if key.startswith("sk-ant-admin"):
        return "This looks like an admin key, which cannot talk to Claude."
    if "..." in key:
        return "This looks like the shortened form that the Console shows, not the whole key."
    if not key.startswith("sk-ant-"):
        return "Keys usually begin with sk-ant-; this one does not."
    return ""


class Backend(Protocol):
    """What is used of a keyring backend."""

    def get_password(self, service: str, username: str, /) -> str | None: ...
    def set_password(self, service: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service: str, username: str, /) -> None: ...


def system_backend() -> object:
    """Return the backend that keyring picks for this system; may import, read files and ask D-Bus."""
    import keyring

    return keyring.get_keyring()


@dataclass(frozen=True, slots=True)
class _Ring:
    """The chosen backend with its names, or None and the reason."""

    backend: Backend | None
    name: str | None
    path: str
    problem: str


def _choose(found: Any) -> _Ring:
    """Accept a safe backend, or the first safe one of a chain, whose other members are never called."""
    path = _path(found)
    members: Iterable[object] = found.backends if path == _CHAINER else (found,)
    for member in members:
        if _path(member) in SAFE:
            return _Ring(cast(Backend, member), SAFE[_path(member)], _path(member), "")
    unknown = f"The keyring {path} is not known to encrypt what it keeps, so it is not used."
    return _Ring(None, None, path, _NO_KEYRING.get(path, unknown))


def _path(backend: object) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _words(error: BaseException) -> str:
    if isinstance(error, KeyringError):
        return error.user_message
    for kind in type(error).__mro__:
        if kind.__name__ in _WORDS:
            return _WORDS[kind.__name__]
    return f"The system keyring failed ({type(error).__name__})."


class _Patience:
    """Runs keyring calls one at a time, each in a daemon thread, and waits only so long for the answer.

    A locked keyring may wait for ever for a password that nobody is asked for. At most one thread is ever
    left behind; while it hangs, further calls fail at once, and its late effect stays in order.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = threading.Lock()
        self._late = False

    def run(self, job: Callable[[], T]) -> T:
        """Return what `job` returns. Raises KeyringError in words, without the original as its context."""
        if not self._turn.acquire(timeout=0 if self._late else self._seconds):
            raise KeyringError(_SILENT)
        self._late = False
        answer: Future[T] = Future()
        thread = threading.Thread(target=self._work, args=(job, answer), name="keyring", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._turn.release()
            raise KeyringError("The keyring cannot be asked: no thread can be started now.") from None
        thread.join(self._seconds)
        if not answer.done():
            self._late = True
            raise KeyringError(_SILENT)
        return answer.result()

    def _work(self, job: Callable[[], T], answer: Future[T]) -> None:
        try:
            answer.set_result(job())
        except BaseException as error:  # also SystemExit: this is the thread's outermost frame
            answer.set_exception(KeyringError(_words(error)))
        finally:
            self._turn.release()


class Keys:
    """The one API key of `name`: the environment's, else what was set, else the keyring's.

    The keyring is asked once and the answer kept in memory. `generation` rises with each change, so that a
    client built with an older key can be rebuilt. `learn` hears each key first, so that logs can redact it.
    """

    def __init__(
        self,
        config: Config,
        backend_loader: Callable[[], object] = system_backend,
        *,
        name: str = "default",
        patience: float = PATIENCE_S,
        learn: Callable[[str], object] = lambda key: None,
    ) -> None:
        self._load_backend = backend_loader
        self._user = USER if name == "default" else f"{USER}:{name}"
        self._learn = learn
        self._patience = _Patience(patience)
        self._changing = threading.Lock()
        self._lock = threading.Lock()
        self._ring: _Ring | None = None
        self._key: str | None = None
        self._source: Source | None = None
        self._known = False
        self._problem = ""
        self._generation = 0
        self._environment, self._environment_problem = self._read_environment(config.env_key)

    def __repr__(self) -> str:
        return f"Keys(user={self._user!r})"

    @property
    def generation(self) -> int:
        """A number that rises with each change of the key."""
        with self._lock:
            return self._generation

    def get(self) -> str | None:
        """Return the key, or None when there is none. Raises KeyringError when the keyring cannot tell."""
        if self._environment is not None:
            return self._environment.key
        with self._lock:
            if self._known:
                return self._key
        self._look()
        with self._lock:
            return self._key

    def peek(self) -> bool | None:
        """Tell whether there is a key as far as is known without asking the keyring; None when that is open."""
        if self._environment is not None:
            return True
        with self._lock:
            return self._key is not None if self._known else None

    def state(self, *, again: bool = False) -> KeyState:
        """Describe the key without holding it; never raises.

        A keyring that failed is not asked twice, since each question may open its prompt: `again` does.
        """
        with self._lock:
            ask = not self._known and (again or not self._problem)
        if ask:
            with suppress(KeyringError):  # remembered, and told below
                self._look()
        return self._describe()

    def set(self, raw: str) -> KeyState:
        """Clean and keep the key: in the keyring, or in memory only when the keyring cannot, which is said.

        Raises BadInput, never showing the key, when it cannot be one.
        """
        cleaned = clean(raw)
        self._learn(raw)
        self._learn(cleaned.key)
        with self._changing:
            problem = self._store(cleaned.key)
            self._change(cleaned.key, "memory" if problem else "keyring", problem)
        state = self._describe()
        parts = (self._kept(cleaned.key, problem), cleaned.removed, cleaned.warning)
        return replace(state, sentence=" ".join(part for part in parts if part))

    def remove(self) -> KeyState:
        """Remove the key from memory and keyring. Raises KeyringError when the keyring may still hold it."""
        with self._changing:
            with self._lock:
                in_memory = self._source == "memory"
            try:
                in_keyring = self._patience.run(self._erase)
            except KeyringError as error:
                self._change(None, None, error.user_message, known=False)
                raise KeyringError(f"The key may still be in the keyring. {error.user_message}") from None
            self._change(None, None, self._ring.problem if self._ring else "")
        done = "The key was removed." if in_keyring or in_memory else "There was no saved key."
        state = self._describe()
        return replace(state, sentence=f"{done} {state.sentence}" if self._environment else done)

    def forget(self) -> None:
        """Ask the keyring again at the next call, since someone else may have changed it."""
        with self._lock:
            if self._source != "memory":
                self._known = False
                self._problem = ""

    def _read_environment(self, raw: str | None) -> tuple[Cleaned | None, str]:
        """A blank variable counts as unset; one that cannot be a key is told and never used (SEC-17)."""
        if not raw or not raw.strip():
            return None, ""
        self._learn(raw)
        try:
            cleaned = clean(raw)
        except BadInput as error:
            return None, f"{VARIABLE} in the environment is not used: {error.user_message}"
        self._learn(cleaned.key)
        return cleaned, ""

    def _look(self) -> None:
        """Ask the keyring once; a late answer still counts unless the key was changed meanwhile."""
        with self._lock:
            seen = self._generation

        def read() -> None:
            ring = self._open()
            with self._lock:
                if self._known or seen != self._generation:
                    return
            found = None
            # With a key in the environment the keyring's is not read: macOS would ask the user for leave.
            if ring.backend and not self._environment:
                found = ring.backend.get_password(SERVICE, self._user)
            if found:
                self._learn(found)
            self._found(_usable(found), seen, ring.problem)

        try:
            self._patience.run(read)
        except KeyringError as error:
            with self._lock:
                if not self._known:
                    self._problem = error.user_message
            raise

    def _found(self, key: str | None, seen: int, problem: str) -> None:
        if key:
            self._learn(key)  # cleaned by now
        with self._lock:
            if seen != self._generation:
                return
            if self._source is not None and key != self._key:
                self._generation += 1
            self._key, self._source, self._known = key, "keyring" if key else None, True
            self._problem = problem

    def _change(self, key: str | None, source: Source | None, problem: str, *, known: bool = True) -> None:
        with self._lock:
            self._key, self._source, self._problem, self._known = key, source, problem, known
            self._generation += 1

    def _open(self) -> _Ring:
        """Runs inside `_Patience` only: loading a backend may block on D-Bus."""
        if self._ring is None or self._ring.backend is None:
            self._ring = _choose(self._load_backend())
        return self._ring

    def _store(self, key: str) -> str:
        """Return why the keyring does not hold the key now, or an empty text."""

        def write() -> str:
            ring = self._open()
            if ring.backend is None:
                return ring.problem
            ring.backend.set_password(SERVICE, self._user, key)
            # KWallet and null-like backends fail silently.
            kept = ring.backend.get_password(SERVICE, self._user) == key
            return "" if kept else "The system keyring took the key but did not give it back."

        try:
            return self._patience.run(write)
        except KeyringError as error:
            return error.user_message

    def _erase(self) -> bool:
        """Delete every entry (the Secret Service may hold several, and deletes one at a time)."""
        backend = self._open().backend
        if backend is None or backend.get_password(SERVICE, self._user) is None:
            return False
        for _ in range(10):
            backend.delete_password(SERVICE, self._user)
            if backend.get_password(SERVICE, self._user) is None:
                return True
        raise KeyringError("The system keyring did not delete the key.")

    def _describe(self) -> KeyState:
        with self._lock:
            known, problem = self._known, self._problem
            key, source = (self._key, self._source) if known else (None, None)
        ring = self._ring or _Ring(None, None, "", "")
        if self._environment:
            key, source = self._environment.key, "environment"
        none = f"No key is saved. {problem}" if known else problem
        sentence = self._sentence(key, source, ring.name, problem) if key else none
        sentence = f"{sentence} {self._environment_problem}".strip()
        return KeyState(key is not None, _last4(key), source, sentence, ring.name, problem, ring.path)

    def _sentence(self, key: str, source: Source | None, name: str | None, problem: str) -> str:
        if source == "environment" and self._environment:
            told = f"{_called(key)} comes from {VARIABLE} in the environment and is not written to disk."
            parts = (told, self._environment.removed, self._environment.warning)
            return " ".join(part for part in parts if part)
        if source == "memory":
            return f"{_called(key)} is kept in memory only and is gone when claudedesk ends. {problem}"
        return f"{_called(key)} is kept in {name}."

    def _kept(self, key: str, problem: str) -> str:
        """Say where a key that was just set went, and which one is used."""
        state = self._describe()
        if state.source != "environment":
            return state.sentence
        saved = f"was not saved. {problem}" if problem else f"is kept in {state.keyring_name}."
        return f"{_called(key)} {saved} {VARIABLE} in the environment is used while it is set."


def _usable(found: str | None) -> str | None:
    """Another program may have written the entry: what could break a header never leaves the keyring."""
    if not found:
        return None
    try:
        return clean(found).key
    except BadInput as error:
        reason = error.user_message
    raise KeyringError(f"What the keyring holds cannot be used; save the key again. {reason}")


def _last4(key: str | None) -> str:
    """The last four characters, unless they would give away a good part of a short key."""
    return key[-4:] if key and len(key) >= 12 else ""


def _called(key: str | None) -> str:
    return f"The key ending in {_last4(key)}" if _last4(key) else "The key"
