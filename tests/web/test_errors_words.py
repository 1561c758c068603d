"""The catch-all: every error has a status and words, and tells no secret."""

from __future__ import annotations

import logging

import pytest
from flask import Blueprint, Response, abort
from web.doorkit import enter, small_app, stranger, token_of
from werkzeug.exceptions import TooManyRequests

from claudedesk import errors
from claudedesk.web.errors import NoSession, as_row, from_row, kind_of


def test_an_error_of_ours_is_a_page_for_a_person_and_json_for_a_script() -> None:
    app = small_app()
    client = enter(app)
    page = client.get("/pages/fail/input")
    assert (page.status_code, page.mimetype) == (400, "text/html")
    assert "Nothing can be done with that." in page.get_data(as_text=True)
    script = client.post("/pages/fail/input", json={}, headers=token_of(app, client))
    assert script.status_code == 400
    assert script.json == {"error": {"message": "Nothing can be done with that.", "kind": "bad_input"}}


def test_a_reader_that_asks_for_json_first_gets_json() -> None:
    client = enter(small_app())
    for accept, mimetype in (
        ("application/json", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("*/*", "text/html"),
    ):
        assert client.get("/nowhere", headers={"Accept": accept}).mimetype == mimetype


def test_our_own_limit_says_when_to_try_again() -> None:
    app = small_app()
    client = enter(app)
    answer = client.post("/pages/fail/wait", json={}, headers=token_of(app, client))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "7"
    assert answer.json == {"error": {"message": "One at a time.", "kind": "too_many", "retry_after": 7}}


def test_an_error_of_claude_keeps_its_kind() -> None:
    app = small_app()
    client = enter(app)
    answer = client.post("/pages/fail/claude", json={}, headers=token_of(app, client))
    assert answer.status_code == 502
    assert answer.json == {
        "error": {"message": "Claude is overloaded.", "kind": "overloaded_error", "http_status": 529}
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_surprise_is_logged_under_the_id_that_the_user_sees(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-16: neither the body, nor a header, nor the query goes to the log."""
    app = small_app()
    client = enter(app)
    headers = {**token_of(app, client), "X-Canary": "canary-header", "Accept": "application/json"}
    caplog.set_level(logging.DEBUG)
    answer = client.open(
        "/pages/fail/boom?c=canary-query", method=method, json={"text": "canary-body"}, headers=headers
    )
    assert answer.status_code == 500
    assert answer.json is not None
    told = answer.json["error"]
    assert told["kind"] == "internal"
    assert told["id"] in told["message"]
    assert "sk-ant" not in answer.get_data(as_text=True)
    assert f"error {told['id']} in {method} /pages/fail/<kind>" in caplog.text
    assert [record.name for record in caplog.records] == ["claudedesk.web"]
    for canary in ("canary-header", "canary-query", "canary-body", headers["X-Claudedesk-Token"]):
        assert canary not in caplog.text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/nowhere", 404, "There is no such page."),
        ("/pages/write", 405, "This address does not work that way."),
        ("/other/abort/409", 409, "This request was refused."),
        ("/other/abort/503", 503, "This request was refused."),
    ],
)
def test_flask_s_own_errors_speak_in_our_words(address: str, status: int, words: str) -> None:
    answer = enter(small_app(plugins=(others(),))).get(address)
    assert answer.status_code == status
    assert words in answer.get_data(as_text=True)


def test_a_redirect_to_the_closing_slash_stays_one() -> None:
    answer = enter(small_app()).get("/pages")
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/pages/")


def test_a_response_that_a_view_aborts_with_is_left_alone() -> None:
    answer = enter(small_app(plugins=(others(),))).get("/other/teapot")
    assert (answer.status_code, answer.get_data(as_text=True)) == (418, "short and stout")


def test_a_limit_of_the_routes_says_how_long_at_most() -> None:
    answer = enter(small_app(plugins=(others(),))).get("/other/limited")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "30"


def test_the_words_come_through_when_the_error_page_itself_fails(caplog: pytest.LogCaptureFixture) -> None:
    app = small_app()

    @app.context_processor
    def broken() -> dict[str, str]:
        raise RuntimeError("the database is gone")

    answer = stranger(app).get("/pages/")
    assert (answer.status_code, answer.mimetype) == (401, "text/plain")
    assert "claudedesk open" in answer.get_data(as_text=True)
    assert "the error page itself failed" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        errors.BadInput("words"),
        errors.UnknownSetting("words"),
        errors.NotFound("words"),
        errors.Forbidden("words"),
        errors.NoKey("words"),
        errors.StoreFull("words"),
        errors.KeyringError("words"),
        NoSession("words"),
        errors.ClaudeDeskError("words", status=503),
        errors.TooMany("words", retry_after=3),
        errors.UpstreamError(
            "words", kind="rate_limit_error", http_status=429, request_id="r", retry_after=1.5, detail="d"
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_crosses_to_another_process_and_stays_itself(error: errors.ClaudeDeskError) -> None:
    read = from_row(as_row(error), error.status)
    assert type(read) is type(error)
    assert (read.user_message, read.status) == ("words", error.status)
    assert as_row(read) == as_row(error)
    assert kind_of(read) == kind_of(error)


def test_an_unknown_kind_keeps_its_words_and_status() -> None:
    read = from_row({"message": "From a newer version.", "kind": "brand_new"}, 418)
    assert type(read) is errors.ClaudeDeskError
    assert (read.user_message, read.status) == ("From a newer version.", 418)


def others() -> Blueprint:
    other = Blueprint("other", __name__)

    @other.get("/abort/<int:status>")
    def aborts(status: int) -> str:
        abort(status)

    @other.get("/teapot")
    def teapot() -> str:
        abort(Response("short and stout", status=418))

    @other.get("/limited")
    def limited() -> str:
        raise TooManyRequests(retry_after=30)

    return other
