"""The loopback road for our own commands, seen from the server."""

from __future__ import annotations

import pytest
from web.doorkit import ORIGIN, PORT, enter, small_app, stranger, token_of

from claudedesk.web.session import door_of, proof

NONCE = "n" * 43


def test_hello_proves_the_secret_without_telling_it() -> None:
    """SEC-08."""
    app = small_app()
    answer = stranger(app).post("/instance/hello", json={"nonce": NONCE})
    secret = door_of(app).instance_secret
    assert answer.json == {"proof": proof(secret, PORT, NONCE)}
    assert secret not in answer.get_data(as_text=True)


@pytest.mark.parametrize("given", [None, {}, [], {"nonce": 5}, {"nonce": "short"}, {"nonce": "n" * 200}])
def test_hello_answers_nothing_but_a_fresh_nonce(given: object) -> None:
    """SEC-01: 403 for everything else."""
    assert stranger(small_app()).post("/instance/hello", json=given).status_code in (403, 415)
    assert stranger(small_app()).post("/instance/hello").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Mode": "cors"},
    ],
)
def test_no_browser_gets_in_even_with_the_secret(headers: dict[str, str]) -> None:
    """SEC-03."""
    app = small_app()
    with_secret = {**headers, "Authorization": f"Claudedesk {door_of(app).instance_secret}"}
    assert stranger(app).post("/instance/open", json={}, headers=with_secret).status_code == 403
    assert stranger(app).post("/instance/hello", json={"nonce": NONCE}, headers=headers).status_code == 403


def test_neither_cookie_nor_token_nor_another_scheme_opens_it() -> None:
    """SEC-01."""
    app = small_app()
    client = enter(app)
    secret = door_of(app).instance_secret
    for headers in (
        token_of(app, client),
        {"Authorization": "Claudedesk "},
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": secret},
    ):
        assert client.post("/instance/open", json={}, headers=headers).status_code == 401
    wrong = {"Authorization": "Claudedesk wrong"}
    assert client.post("/instance/open", json={}, headers=wrong).status_code == 403


def test_the_secret_opens_nothing_else() -> None:
    app = small_app()
    headers = {"Authorization": f"Claudedesk {door_of(app).instance_secret}"}
    assert stranger(app).get("/pages/", headers=headers).status_code == 401
    assert stranger(app).post("/pages/write", json={}, headers=headers).status_code == 401


def test_a_command_gets_a_fresh_way_in_and_learns_when_it_was_used() -> None:
    app = small_app()
    headers = {"Authorization": f"Claudedesk {door_of(app).instance_secret}"}
    command = stranger(app)
    answer = command.post("/instance/open", json={}, headers=headers)
    assert answer.json is not None
    url = answer.json["url"]
    assert url.startswith(f"http://127.0.0.1:{PORT}/?c=")

    def entered() -> object:
        return command.post("/instance/entered", json={"url": url}, headers=headers).json

    assert entered() == {"entered": False}
    assert stranger(app).get(url.removeprefix(f"http://127.0.0.1:{PORT}")).status_code == 200
    assert entered() == {"entered": True}


def test_a_command_that_sends_the_wrong_thing_is_told_so() -> None:
    app = small_app()
    headers = {"Authorization": f"Claudedesk {door_of(app).instance_secret}"}
    answer = stranger(app).post("/instance/entered", json={"url": 5}, headers=headers)
    assert answer.status_code == 400
    form = stranger(app).post("/instance/open", data={"a": "b"}, headers=headers)
    assert form.status_code == 415
