"""Codes, sessions and tokens of the door, on a clock that stands still."""

from __future__ import annotations

import logging
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from web.doorkit import Clock

from claudedesk.web.session import CODE_SECONDS, GUESSES, Door, cookie_name, own_host, proof


def code_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["c"][0]


def test_a_code_opens_one_session_and_dies_with_its_first_use() -> None:
    """SEC-06."""
    door = Door()
    code = door.mint_code()
    assert door.redeem(code)
    assert door.redeem(code) is None


def test_a_code_dies_after_a_minute() -> None:
    """SEC-06: at most 60 s, on a monotonic clock."""
    assert CODE_SECONDS <= 60
    clock = Clock()
    door = Door(monotonic=clock)
    young, old = door.mint_code(), door.mint_code()
    clock.seconds += CODE_SECONDS - 0.1
    assert door.redeem(young)
    clock.seconds += 0.1
    assert door.redeem(old) is None


def test_codes_hold_at_least_128_bits_and_never_repeat() -> None:
    """SEC-06: 22 characters of base 64 are 132 bits."""
    door = Door()
    codes = {door.mint_code() for _ in range(200)}
    assert len(codes) == 200
    assert min(map(len, codes)) >= 22


def test_of_many_who_bring_the_same_code_at_once_one_gets_in() -> None:
    """SEC-06."""
    door = Door()
    code = door.mint_code()
    gate = threading.Barrier(8)
    sessions: list[str | None] = []

    def run() -> None:
        gate.wait()
        sessions.append(door.redeem(code))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([session for session in sessions if session]) == 1


@pytest.mark.parametrize("guess", ["", "x", "ü", "\ud800", "x" * 100_000, "\0"])
def test_any_text_may_be_tried_as_code_session_token_or_secret_and_is_wrong(guess: str) -> None:
    """SEC-09."""
    door = Door()
    session = door.redeem(door.mint_code())
    assert session
    assert door.redeem(guess) is None
    assert not door.is_session(guess)
    assert not door.is_token(session, guess)
    assert not door.is_instance_secret(guess)


def test_sessions_and_tokens_of_one_process_are_worth_nothing_in_another() -> None:
    mine, other = Door(), Door()
    session = mine.redeem(mine.mint_code())
    assert session
    assert mine.is_session(session)
    assert mine.is_token(session, mine.token(session))
    assert not other.is_session(session)
    assert not other.is_token(session, mine.token(session))


def test_a_token_belongs_to_one_session_and_is_not_the_cookie() -> None:
    door = Door()
    one, two = door.redeem(door.mint_code()), door.redeem(door.mint_code())
    assert one and two and one != two
    assert not door.is_token(two, door.token(one))
    assert not door.is_token(one, one)
    assert not door.is_session(door.token(one))


def test_the_address_names_127_0_0_1_and_carries_a_fresh_code() -> None:
    """SEC-08: never `localhost`."""
    door = Door()
    url = door.url(4321)
    assert url.startswith("http://127.0.0.1:4321/?c=")
    assert door.redeem(code_in(url))


def test_the_door_knows_which_addresses_have_been_used() -> None:
    door = Door()
    used, unused = door.url(4321), door.url(4321)
    assert not door.was_entered(used)
    door.redeem(code_in(used))
    assert door.was_entered(used)
    assert not door.was_entered(unused)
    assert not door.was_entered("http://127.0.0.1:4321/")


def test_wrong_guesses_past_twenty_a_minute_must_wait() -> None:
    """SEC-09."""
    clock = Clock()
    door = Door(monotonic=clock)
    assert [door.count_wrong() for _ in range(GUESSES)] == [0] * 20
    assert door.count_wrong() == 60
    clock.seconds += 45
    assert door.count_wrong() == 15
    clock.seconds += 15
    assert door.count_wrong() == 0


def test_ten_thousand_guesses_leave_a_count_in_the_log_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SEC-09."""
    clock = Clock()
    door = Door(monotonic=clock)
    with caplog.at_level(logging.DEBUG):
        for _ in range(10_000):
            door.count_wrong()
            clock.seconds += 0.006
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage() == "21 wrong codes or tokens were sent to the front door"
    clock.seconds += 60
    for _ in range(GUESSES + 1):
        door.count_wrong()
    assert caplog.records[1].getMessage() == "10000 wrong codes or tokens were sent to the front door"


def test_a_proof_holds_for_one_secret_one_port_and_one_nonce() -> None:
    """SEC-08."""
    good = proof("secret", 4321, "nonce")
    assert good == proof("secret", 4321, "nonce")
    assert good not in {
        proof("other", 4321, "nonce"),
        proof("secret", 4322, "nonce"),
        proof("secret", 4321, "x"),
    }


def test_the_cookie_is_named_after_the_port_and_port_80_stands_in_no_host() -> None:
    assert cookie_name(4321) == "claudedesk_4321"
    assert own_host(4321) == "127.0.0.1:4321"
    assert own_host(80) == "127.0.0.1"
