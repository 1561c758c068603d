"""The key: what is cleaned, where it is kept, what is said about it, and that it never shows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring import errors as library

from claudedesk.config import Config
from claudedesk.errors import BadInput, KeyringError
from claudedesk.keystore import PATIENCE_S, SERVICE, USER, Keys, KeyState, clean
from claudedesk.paths import Paths

KEY = "sk-ant-test-0123456789-AbCd"
OTHER = "sk-ant-test-9876543210-WxYz"
ROOT = Path(__file__).parent.parent


class Ring:
    """A keyring in memory. Every call raises `error`, and waits while `gate` is closed."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str]] = []
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        self.gate.wait()
        if self.error:
            raise self.error

    def get_password(self, service: str, username: str) -> str | None:
        self._enter("get")
        return next((value for *place, value in self.entries if place == [service, username]), None)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._enter("set")
        self.entries = [entry for entry in self.entries if entry[:2] != (service, username)]
        self.entries.append((service, username, password))

    def delete_password(self, service: str, username: str) -> None:
        self._enter("delete")
        for entry in self.entries:
            if entry[:2] == (service, username):
                self.entries.remove(entry)
                return
        raise library.PasswordDeleteError("No such password!")


def ring_of(path: str, base: type[Ring] = Ring) -> Ring:
    """Make a keyring whose class says it is `path`."""
    module, _, name = path.rpartition(".")
    kind: type[Ring] = type(name, (base,), {"__module__": module})
    return kind()


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = ring_of("keyring.backends.SecretService.Keyring")
    yield ring
    ring.gate.set()


Make = Callable[..., Keys]


@pytest.fixture
def make(ring: Ring, tmp_path: Path) -> Make:
    def make(loader: Callable[[], object] = lambda: ring, *, env: str | None = None, **more: object) -> Keys:
        paths = Paths(tmp_path / "data", tmp_path / "cache", tmp_path / "logs", tmp_path / "run")
        return Keys(Config(paths, env_key=env), loader, **{"patience": 5.0, **more})  # type: ignore[arg-type]

    return make


def stored(ring: Ring) -> str | None:
    return next((value for *place, value in ring.entries if place == [SERVICE, USER]), None)


# Cleaning


@pytest.mark.parametrize(
    ("raw", "removed"),
    [
        (f"{KEY} ", "spaces or line breaks"),
        (f"{KEY}\n", "spaces or line breaks"),
        (f" {KEY}", "spaces or line breaks"),
        (f"\t{KEY}\r\n", "spaces or line breaks"),
        (f"\u00a0{KEY}\u3000", "spaces or line breaks"),
        (f"{KEY[:12]}\n{KEY[12:]}", "spaces or line breaks"),
        (f"{KEY[:12]} \t {KEY[12:]}", "spaces or line breaks"),
        (f"{KEY[:12]}\u2028{KEY[12:]}", "spaces or line breaks"),
        (f"{KEY}\u200b", "invisible characters"),
        (f"\ufeff{KEY}", "invisible characters"),
        (f"{KEY[:5]}\u200d{KEY[5:]}", "invisible characters"),
        (f"{KEY[:12]}\u00ad{KEY[12:]}", "invisible characters"),
        (f'"{KEY}"', "quotes"),
        (f"'{KEY}'", "quotes"),
        (f"`{KEY}`", "quotes"),
        (f"\u201c{KEY}\u201d", "quotes"),
        (f'{KEY}"', "quotes"),
        (f"export ANTHROPIC_API_KEY={KEY}", "the words before the key"),
        (f"ANTHROPIC_API_KEY={KEY}", "the words before the key"),
        (f"anthropic_api_key = {KEY}", "the words before the key"),
        (f"set ANTHROPIC_API_KEY={KEY}", "the words before the key"),
        (f"setx ANTHROPIC_API_KEY {KEY}", "the words before the key"),
        (f"$env:ANTHROPIC_API_KEY={KEY}", "the words before the key"),
        (f"Bearer {KEY}", "the words before the key"),
        (f"Authorization: Bearer {KEY}", "the words before the key"),
        (f"x-api-key: {KEY}", "the words before the key"),
        (f"export ANTHROPIC_API_KEY='{KEY}'\n", "spaces or line breaks, quotes, the words before the key"),
        (f'"ANTHROPIC_API_KEY": "{KEY}",', "quotes, the words before the key"),
        (
            f'\ufeff "Bearer {KEY}" \n',
            "invisible characters, spaces or line breaks, quotes, the words before the key",
        ),
    ],
)
def test_what_is_not_the_key_is_removed_and_named(raw: str, removed: str) -> None:
    """SEC-17, FEATURES §4 row 8"""
    assert astuple(clean(raw)) == (KEY, f"Removed from the key: {removed}.", "")


def test_a_clean_key_stays_as_it_is_and_nothing_is_said() -> None:
    """SEC-17"""
    assert astuple(clean(KEY)) == (KEY, "", "")


@pytest.mark.parametrize(
    "raw", ["", " ", "\n\t", '""', "\u200b", "ANTHROPIC_API_KEY=", "Bearer ", "' '", "''' \"\" '"]
)
def test_an_empty_key_is_refused(raw: str) -> None:
    """SEC-17"""
    with pytest.raises(BadInput):
        clean(raw + "\n")


@pytest.mark.parametrize(
    "raw",
    [
        "kë",
        f"{KEY}ë",
        f"{KEY[:12]}\x00{KEY[12:]}",
        f"{KEY[:12]}\x1b[200~{KEY[12:]}",
        f"{KEY}\x7f",
        f"{KEY}\x85{KEY}",
        f"{KEY}\x1f",
        f"{KEY}\ud800",
        f"{KEY[:12]}\N{CYRILLIC SMALL LETTER A}{KEY[12:]}",
        "sk-ant-…",
        "•" * 40,
        "a" * 501,
        "a" * 100_000,
        f"{KEY}\n{OTHER}",
        f"{KEY} {KEY}",
        f"my key is {KEY}",
    ],
)
def test_what_cannot_be_a_key_is_refused_in_words_that_do_not_hold_it(raw: str) -> None:
    """SEC-17"""
    with pytest.raises(BadInput) as caught:
        clean(raw)
    told = "".join(traceback.format_exception(caught.value)).split("claudedesk.errors.BadInput: ")[1]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for part in (KEY[:12], KEY[12:], raw[:14], "ë"):
        assert part not in told


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("k", "sk-ant-"),
        ("sk-proj-something", "sk-ant-"),
        ("sk-ant-admin01-abc", "admin"),
        ("sk-ant-api03-AbC...xYz", "shortened"),
    ],
)
def test_an_odd_key_is_taken_with_a_warning(raw: str, word: str) -> None:
    """SEC-17, FEATURES §4 row 60: new forms of keys must not break."""
    assert clean(raw).key == raw
    assert word in clean(raw).warning


PIECES = [
    KEY,
    "sk-ant-",
    "k",
    "ë",
    *" \t\n\x1f\x85'\"`=:,;",
    "\u200b",
    "\u2028",
    "“",
    "export",
    "Bearer",
    "ANTHROPIC_API_KEY",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_whatever_is_pasted_a_key_fits_a_header_or_is_refused(raw: str) -> None:
    """SEC-17: the SDK never sees what it would put into an exception."""
    try:
        key = clean(raw).key
    except BadInput:
        return
    assert 0 < len(key) <= 500
    assert all("!" <= c <= "~" for c in key)
    assert astuple(clean(key))[:2] == (key, ""), "what was kept is read back as the same key"


WRAPPERS = [
    "'{}'",
    '"{}"',
    "`{}`",
    " {}",
    "{}\n",
    "\u200b{}",
    "Bearer {}",
    "ANTHROPIC_API_KEY={}",
    "export ANTHROPIC_API_KEY={}",
]


@given(st.lists(st.sampled_from(WRAPPERS), max_size=8))
def test_wrappings_come_off_in_any_order(wrappers: list[str]) -> None:
    """SEC-17"""
    raw = KEY
    for wrapper in wrappers:
        raw = wrapper.format(raw)
    assert clean(raw).key == KEY


# Where it is kept


def test_a_key_is_kept_in_the_keyring_and_described_without_it(make: Make, ring: Ring) -> None:
    """SEC-16, SEC-19"""
    state = make().set(f" {KEY}\n")
    assert stored(ring) == KEY
    assert state == KeyState(
        True,
        "AbCd",
        "keyring",
        "The key ending in AbCd is kept in the system keyring (Secret Service)."
        " Removed from the key: spaces or line breaks.",
        "the system keyring (Secret Service)",
        "",
        "keyring.backends.SecretService.Keyring",
    )
    assert make().get() == KEY, "another process reads it"


def test_the_entry_has_the_names_that_other_programs_look_for(make: Make, ring: Ring) -> None:
    make().set(KEY)
    make(name="work").set(OTHER)
    assert ring.entries == [
        ("claudedesk", "anthropic-api-key", KEY),
        ("claudedesk", "anthropic-api-key:work", OTHER),
    ]


def test_the_keyring_is_asked_once(make: Make, ring: Ring) -> None:
    ring.set_password(SERVICE, USER, KEY)
    ring.calls.clear()
    keys = make()
    assert [keys.get(), keys.get(), keys.state().set, keys.get()] == [KEY, KEY, True, KEY]
    assert ring.calls == ["get"]


def test_that_there_is_no_key_is_asked_once_too(make: Make, ring: Ring) -> None:
    keys = make()
    assert [keys.get(), keys.get()] == [None, None]
    assert keys.state().sentence == "No key is saved."
    assert ring.calls == ["get"]


def test_after_forgetting_the_keyring_is_asked_again_and_a_new_key_raises_the_generation(
    make: Make, ring: Ring
) -> None:
    ring.set_password(SERVICE, USER, KEY)
    keys = make()
    keys.get()
    first = keys.generation
    keys.forget()
    assert (keys.get(), keys.generation) == (KEY, first)
    ring.set_password(SERVICE, USER, OTHER)
    keys.forget()
    assert (keys.get(), keys.generation) == (OTHER, first + 1)


def test_each_change_raises_the_generation(make: Make) -> None:
    keys = make()
    seen = [keys.generation]
    for change in (lambda: keys.set(KEY), lambda: keys.set(OTHER), keys.remove):
        change()
        seen.append(keys.generation)
    assert seen == sorted(set(seen))


def test_removing_takes_it_from_keyring_and_memory(make: Make, ring: Ring) -> None:
    keys = make()
    keys.set(KEY)
    state = keys.remove()
    assert (state.set, state.last4, state.source, state.sentence) == (False, "", None, "The key was removed.")
    assert (keys.get(), ring.entries) == (None, [])
    assert keys.remove().sentence == "There was no saved key."


def test_removing_takes_every_entry_of_that_name(make: Make, ring: Ring) -> None:
    """The Secret Service may hold several and deletes one at a time."""
    ring.entries = [(SERVICE, USER, KEY), (SERVICE, USER, OTHER), (SERVICE, "else", "kept")]
    make().remove()
    assert ring.entries == [(SERVICE, "else", "kept")]


@pytest.mark.parametrize("found", [f"{KEY}\n", f'"{KEY}"'])
def test_what_another_program_wrote_is_cleaned(make: Make, ring: Ring, found: str) -> None:
    """SEC-17"""
    ring.entries = [(SERVICE, USER, found)]
    assert make().get() == KEY


def test_an_unusable_entry_is_told_and_never_used(make: Make, ring: Ring) -> None:
    """SEC-17"""
    ring.entries = [(SERVICE, USER, "sk-ant-test-kë")]
    keys = make()
    with pytest.raises(KeyringError) as caught:
        keys.get()
    assert "save the key again" in caught.value.user_message
    assert "sk-ant" not in str(caught.value)
    assert keys.set(KEY).source == "keyring"
    assert keys.get() == KEY


# The environment


def test_the_environment_wins_and_is_named(make: Make, ring: Ring) -> None:
    """SEC-16, FEATURES §4 row 2"""
    ring.set_password(SERVICE, USER, OTHER)
    ring.calls.clear()
    keys = make(env=f'"{KEY}"\n')
    assert keys.get() == KEY
    assert ring.calls == [], "a keyring may ask the user for leave, for nothing"
    state = keys.state()
    assert (state.source, state.last4, state.keyring_name) == (
        "environment",
        "AbCd",
        "the system keyring (Secret Service)",
    )
    assert state.sentence == (
        "The key ending in AbCd comes from ANTHROPIC_API_KEY in the environment and is not written to disk."
        " Removed from the key: spaces or line breaks, quotes."
    )
    assert ring.calls == []
    assert stored(ring) == OTHER


def test_setting_while_the_environment_wins_stores_and_says_which_is_used(make: Make, ring: Ring) -> None:
    keys = make(env=KEY)
    state = keys.set(OTHER)
    assert (stored(ring), keys.get(), state.source, state.last4) == (OTHER, KEY, "environment", "AbCd")
    assert state.sentence == (
        "The key ending in WxYz is kept in the system keyring (Secret Service)."
        " ANTHROPIC_API_KEY in the environment is used while it is set."
    )


def test_removing_says_that_the_environment_still_has_one(make: Make, ring: Ring) -> None:
    ring.entries = [(SERVICE, USER, OTHER)]
    state = make(env=KEY).remove()
    assert (ring.entries, state.set, state.source) == ([], True, "environment")
    assert state.sentence.startswith(
        "The key was removed. The key ending in AbCd comes from ANTHROPIC_API_KEY"
    )


@pytest.mark.parametrize("env", [None, "", " \n"])
def test_a_blank_variable_counts_as_unset(make: Make, env: str | None) -> None:
    keys = make(env=env)
    assert (keys.get(), keys.state().sentence) == (None, "No key is saved.")


def test_a_variable_that_cannot_be_a_key_is_told_and_the_keyring_is_used(make: Make, ring: Ring) -> None:
    """SEC-17"""
    ring.entries = [(SERVICE, USER, OTHER)]
    keys = make(env="sk-ant-test-kë")
    assert keys.get() == OTHER
    told = keys.state().sentence
    assert "WxYz is kept in" in told
    assert "ANTHROPIC_API_KEY in the environment is not used: Character 14" in told
    assert "sk-ant-test-k" not in told


# Keyrings that are not safe, or fail


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("keyring.backends.fail.Keyring", "offers no keyring"),
        ("keyring.backends.null.Keyring", "switched off"),
        ("keyrings.alt.file.PlaintextKeyring", "not known to encrypt"),
        ("keyrings.alt.file.EncryptedKeyring", "not known to encrypt"),
        ("somebody.vault.Keyring", "somebody.vault.Keyring is not known"),
        ("keyring.backends.SecretService.Subclass", "not known to encrypt"),
        ("keyring.backends.chainer.Subclass", "not known to encrypt"),
    ],
)
def test_an_unsafe_keyring_is_never_called_and_the_key_stays_in_memory(
    make: Make, path: str, word: str
) -> None:
    """SEC-16"""
    unsafe = ring_of(path)
    keys = make(lambda: unsafe)
    assert keys.get() is None
    state = keys.set(KEY)
    assert (state.set, state.source, state.keyring_name) == (True, "memory", None)
    assert state.sentence.startswith(
        "The key ending in AbCd is kept in memory only and is gone when claudedesk ends. "
    )
    assert word in state.keyring_problem
    assert state.keyring_problem in state.sentence
    assert keys.get() == KEY
    assert make(lambda: unsafe).get() is None
    state = keys.remove()
    assert (state.set, state.sentence, keys.get()) == (False, "The key was removed.", None)
    assert unsafe.calls == []


def chain(*members: object) -> object:
    chainer = ring_of("keyring.backends.chainer.ChainerBackend")
    chainer.backends = members  # type: ignore[attr-defined]
    return chainer


def test_of_a_chain_the_first_safe_member_is_used_directly(make: Make, ring: Ring) -> None:
    """SEC-16"""
    plain, later = (
        ring_of("keyrings.alt.file.PlaintextKeyring"),
        ring_of("keyring.backends.libsecret.Keyring"),
    )
    keys = make(lambda: chain(plain, ring, later))
    keys.set(KEY)
    keys.forget()
    assert keys.get() == KEY
    keys.remove()
    assert ring.calls
    assert (plain.calls, later.calls) == ([], [])


def test_a_chain_without_a_safe_member_is_refused(make: Make) -> None:
    """SEC-16"""
    plain = ring_of("keyrings.alt.file.PlaintextKeyring")
    for chained in (chain(), chain(plain), chain(chain(plain))):
        assert make(lambda chained=chained: chained).set(KEY).source == "memory"
    assert plain.calls == []


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (library.KeyringLocked(KEY), "locked"),
        (library.InitError(KEY), "cannot be opened"),
        (library.NoKeyringError(KEY), "offers no keyring"),
        (library.PasswordSetError(KEY), "refused"),
        (library.KeyringError(KEY), "failed (KeyringError)"),
        (ConnectionRefusedError(KEY), "cannot be reached"),
        (ImportError(KEY), "cannot be loaded"),
        (RuntimeError(KEY), "failed (RuntimeError)"),
        (UnicodeEncodeError("ascii", KEY, 0, 1, "odd"), "failed (UnicodeEncodeError)"),
    ],
)
@pytest.mark.parametrize("where", ["call", "load"])
def test_a_keyring_that_fails_is_told_in_words_and_its_own_text_is_dropped(
    make: Make, ring: Ring, error: Exception, word: str, where: str
) -> None:
    """SEC-16, SEC-17: a backend's exception may hold the key."""

    def broken() -> object:
        if where == "load":
            raise error
        return ring

    ring.error = error
    keys = make(broken)
    for ask in (keys.get, keys.remove):
        with pytest.raises(KeyringError) as caught:
            ask()
        assert word in caught.value.user_message
        assert "sk-ant-test" not in "".join(traceback.format_exception(caught.value))
    assert word in keys.state().sentence
    state = keys.set(KEY)
    assert (state.source, keys.get()) == ("memory", KEY), "a working day must not end here"
    assert word in state.keyring_problem
    assert KEY not in str(asdict(state))


def test_a_failed_removal_is_an_error_and_the_key_is_gone_from_memory(make: Make, ring: Ring) -> None:
    keys = make()
    keys.set(KEY)
    ring.error = library.KeyringLocked("no")
    with pytest.raises(KeyringError, match=r"may still be in the keyring\. The system keyring is locked"):
        keys.remove()
    assert keys.state().set is False
    ring.error = None
    assert keys.get() == KEY, "it is still there, and is not denied"
    assert keys.remove().set is False


def test_state_does_not_ask_a_failing_keyring_again_unless_told(make: Make, ring: Ring) -> None:
    """Each question may open the keyring's own prompt."""
    ring.error = library.KeyringLocked("no")
    keys = make()
    assert not keys.state().set
    assert not keys.state().set
    assert ring.calls == ["get"]
    ring.error = None
    ring.entries = [(SERVICE, USER, KEY)]
    assert keys.state(again=True).source == "keyring"


def test_a_keyring_that_forgets_at_once_is_found_out(make: Make) -> None:
    """SEC-16: KDE Wallet tells no error."""

    class Forgetful(Ring):
        def set_password(self, service: str, username: str, password: str) -> None:
            self._enter("set")

    keys = make(lambda: ring_of("keyring.backends.kwallet.DBusKeyring", Forgetful))
    state = keys.set(KEY)
    assert (state.source, state.keyring_problem) == (
        "memory",
        "The system keyring took the key but did not give it back.",
    )
    assert keys.get() == KEY


def test_a_keyring_that_keeps_what_it_should_delete_is_found_out(make: Make) -> None:
    class Clinging(Ring):
        def delete_password(self, service: str, username: str) -> None:
            self._enter("delete")

    keys = make(lambda: ring_of("keyring.backends.macOS.Keyring", Clinging))
    keys.set(KEY)
    with pytest.raises(KeyringError, match="did not delete"):
        keys.remove()


def test_forgetting_keeps_a_key_that_is_only_in_memory(make: Make) -> None:
    keys = make(lambda: ring_of("keyring.backends.fail.Keyring"))
    keys.set(KEY)
    keys.forget()
    assert keys.get() == KEY


# A keyring that hangs


def test_a_keyring_that_hangs_holds_nobody_up_for_long(make: Make, ring: Ring) -> None:
    """SEC-16: a locked keyring may wait for a password that nobody is asked for."""
    ring.gate.clear()
    keys = make(patience=0.2)
    started = time.monotonic()
    with pytest.raises(KeyringError, match="does not answer"):
        keys.get()
    for _ in range(20):
        with pytest.raises(KeyringError, match="does not answer"):
            keys.get()
    assert not keys.state().set
    assert keys.set(KEY).source == "memory"
    assert time.monotonic() - started < 3
    assert keys.get() == KEY
    assert [thread.name for thread in threading.enumerate()].count("keyring") == 1, (
        "one thread waits, not twenty"
    )
    assert ring.calls == ["get"]


def test_a_late_answer_still_counts(make: Make, ring: Ring) -> None:
    """The user took a while to unlock it, and must not be asked a second time."""
    ring.entries = [(SERVICE, USER, KEY)]
    ring.gate.clear()
    keys = make(patience=0.05)
    with pytest.raises(KeyringError):
        keys.get()
    ring.gate.set()
    wait_for_worker()
    assert keys.get() == KEY
    assert ring.calls == ["get"]
    assert keys.state().keyring_problem == ""


def test_a_late_answer_does_not_undo_a_newer_change(make: Make, ring: Ring) -> None:
    ring.entries = [(SERVICE, USER, KEY)]
    ring.gate.clear()
    keys = make(patience=0.05)
    with pytest.raises(KeyringError):
        keys.get()
    keys.set(OTHER)
    ring.gate.set()
    wait_for_worker()
    assert keys.get() == OTHER


def test_loading_the_backend_may_hang_as_well(make: Make) -> None:
    gate = threading.Event()
    keys = make(gate.wait, patience=0.05)
    with pytest.raises(KeyringError, match="does not answer"):
        keys.get()
    gate.set()
    wait_for_worker()


def wait_for_worker() -> None:
    for thread in threading.enumerate():
        if thread.name == "keyring":
            thread.join(5)


def test_without_threads_the_words_say_so_and_the_next_try_works(
    make: Make, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    keys = make()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(KeyringError, match="no thread"):
            keys.get()
    assert keys.get() is None


def test_the_users_own_patience_is_twenty_seconds() -> None:
    assert PATIENCE_S == 20


# Threads


def test_many_threads_see_one_key_and_the_keyring_is_asked_once(make: Make, ring: Ring) -> None:
    ring.entries = [(SERVICE, USER, KEY)]
    keys = make()
    seen: list[str | None] = []
    threads = [threading.Thread(target=lambda: seen.append(keys.get())) for _ in range(16)]
    ring.gate.clear()
    for thread in threads:
        thread.start()
    ring.gate.set()
    for thread in threads:
        thread.join()
    assert seen == [KEY] * 16
    assert ring.calls == ["get"]


def test_concurrent_changes_leave_memory_and_keyring_with_the_same_key(make: Make, ring: Ring) -> None:
    keys = make()
    candidates = [f"{KEY}-{number}" for number in range(8)]
    threads = [threading.Thread(target=keys.set, args=(key,)) for key in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys.get() == stored(ring)
    assert keys.generation == 8


# What may never show


def test_no_repr_state_or_error_shows_the_key(make: Make, ring: Ring) -> None:
    """SEC-17, SEC-19"""
    for keys in (make(), make(env=KEY), make(lambda: ring_of("keyring.backends.null.Keyring"))):
        state = keys.set(KEY)
        for shown in (
            repr(keys),
            str(keys),
            repr(state),
            str(asdict(state)),
            repr(clean(KEY)),
            str(clean(KEY)),
        ):
            assert KEY[:-4] not in shown
        assert KEY[:-4] not in repr(keys.remove())


@pytest.mark.parametrize("key", ["k", "abcd", "elevenchars"])
def test_of_a_short_key_no_part_is_shown(make: Make, key: str) -> None:
    """SEC-19"""
    state = make().set(key)
    assert (state.set, state.last4) == (True, "")
    assert state.sentence.startswith("The key is kept in")


def test_every_key_is_announced_to_the_redaction_first(make: Make, ring: Ring) -> None:
    """SEC-17"""
    learnt: list[str] = []
    make(env=f"{KEY}\n", learn=learnt.append)
    assert learnt == [f"{KEY}\n", KEY]
    learnt.clear()
    ring.error = library.KeyringLocked("no")
    make(learn=learnt.append).set(f"'{OTHER}'")
    assert learnt == [f"'{OTHER}'", OTHER]
    ring.error = None
    ring.entries = [(SERVICE, USER, KEY)]
    learnt.clear()
    make(learn=learnt.append).get()
    assert learnt == [KEY, KEY]
    ring.entries = [(SERVICE, USER, "sk-ant-test-kë")]
    learnt.clear()
    assert not make(learn=learnt.append).state().set
    assert learnt == ["sk-ant-test-kë"], "what is refused may show up elsewhere"


def test_importing_the_module_and_using_the_environments_key_does_not_import_keyring(tmp_path: Path) -> None:
    """ARCHITECTURE §3; P-10"""
    code = (
        "import os, sys; from claudedesk import config, keystore;"
        "keys = keystore.Keys(config.load(os.environ)); assert keys.get() == 'sk-ant-test-env';"
        "found = {'keyring', 'secretstorage', 'jeepney'} & sys.modules.keys();"
        "assert not found, found"
    )
    env = {"ANTHROPIC_API_KEY": "sk-ant-test-env", "CLAUDEDESK_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, timeout=30)
    assert list(tmp_path.iterdir()) == []
