"""What other sites, other local apps and frames can do with the user's real cookie: nothing."""

from __future__ import annotations

import itertools
import logging

import pytest
from flask import Flask
from web.doorkit import ORIGIN, PORT, UNSAFE, Clock, enter, small_app, stranger, token_of

from claudedesk.web.session import door_of

FOREIGN = (
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    f"https://127.0.0.1:{PORT}",
    f"http://localhost:{PORT}",
    f"http://[::1]:{PORT}",
    f"http://0.0.0.0:{PORT}",
    f"http://127.0.0.1:{PORT}.evil.com",
    f"{ORIGIN}/",
    f"{ORIGIN}, {ORIGIN}",
    "null",
    "",
    "file://",
    "https://evil.example",
)


@pytest.fixture(scope="module")
def app() -> Flask:
    return small_app()


BODIES = (
    ("text/plain", b'{"text": "spend"}'),
    ("application/x-www-form-urlencoded", b"text=spend"),
    ("multipart/form-data; boundary=x", b"--x--"),
    ("application/json", b'{"text": "spend"}'),
)


@pytest.mark.parametrize("origin", [*FOREIGN, ORIGIN, None])
@pytest.mark.parametrize("site", ["same-site", "cross-site", "none", "same-origin", None])
def test_the_real_cookie_without_the_token_writes_nothing(
    app: Flask, origin: str | None, site: str | None
) -> None:
    """SEC-03: forms, text/plain, multipart and beacons, from every origin, with headers there or missing."""
    client = enter(app)
    app.extensions["seen"].clear()
    given = {"Origin": origin, "Sec-Fetch-Site": site}
    headers = {name: value for name, value in given.items() if value is not None}
    for (kind, body), method in itertools.product(BODIES, UNSAFE):
        answer = client.open("/pages/write", method=method, data=body, content_type=kind, headers=headers)
        assert answer.status_code == 403
    assert app.extensions["seen"] == []


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_origin_is_refused_even_with_the_token(app: Flask, origin: str) -> None:
    """SEC-03: a wrong Origin is refused always."""
    client = enter(app)
    headers = {**token_of(app, client), "Origin": origin}
    assert client.post("/pages/write", json={}, headers=headers).status_code == 403
    assert client.get("/pages/data", headers=headers).status_code == 403
    assert client.get("/pages/", headers=headers).status_code == 403


@pytest.mark.parametrize("site", ["same-site", "cross-site", "nonsense", ""])
def test_another_site_is_refused_even_with_the_token(app: Flask, site: str) -> None:
    """SEC-03."""
    client = enter(app)
    headers = {**token_of(app, client), "Origin": ORIGIN, "Sec-Fetch-Site": site}
    assert client.post("/pages/write", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("origin", [ORIGIN, None])
@pytest.mark.parametrize("site", ["same-origin", None])
def test_the_token_suffices_where_a_browser_sends_no_fetch_headers(
    app: Flask, origin: str | None, site: str | None
) -> None:
    """SEC-03: old WebKit windows send neither; no other origin can send the token without CORS."""
    client = enter(app)
    given = {**token_of(app, client), "Origin": origin, "Sec-Fetch-Site": site}
    headers = {name: value for name, value in given.items() if value is not None}
    assert client.post("/pages/write", json={}, headers=headers).status_code == 201


@pytest.mark.parametrize(("kind", "body"), BODIES[:3])
def test_json_addresses_take_json_only(app: Flask, kind: str, body: bytes) -> None:
    """SEC-03: 415 for the types that travel across origins without asking."""
    client = enter(app)
    headers = token_of(app, client)
    answer = client.post("/pages/write", data=body, content_type=kind, headers=headers)
    assert answer.status_code == 415
    assert answer.json is not None
    assert answer.json["error"]["kind"] == "wrong_type"
    untyped = client.open("/pages/write", method="POST", data=body, headers=headers)
    assert untyped.status_code == 415


def test_a_post_without_a_body_needs_no_type() -> None:
    app = small_app()
    client = enter(app)
    assert client.post("/pages/write", headers=token_of(app, client)).status_code == 201


def test_a_view_may_take_other_types_by_saying_so() -> None:
    app = small_app()
    client = enter(app)
    headers = token_of(app, client)
    for kind, status in (("image/png", 200), ("application/octet-stream", 200), ("application/json", 415)):
        answer = client.post("/pages/upload", data=b"x", content_type=kind, headers=headers)
        assert answer.status_code == status, kind
    assert client.post("/pages/upload", data=b"x", content_type="image/png").status_code == 403


def test_a_body_over_the_limit_is_refused_in_words() -> None:
    """SEC-31: 40 MB."""
    app = small_app()
    client = enter(app)
    long = {"CONTENT_LENGTH": "40000001", "CONTENT_TYPE": "application/json"}
    answer = client.post("/pages/write", headers=token_of(app, client), environ_overrides=long)
    assert answer.status_code == 413
    assert answer.json == {
        "error": {"message": "This is too big to send. The limit is 40 MB.", "kind": "too_big"}
    }


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_other_sites_cannot_open_documents_images_or_files(site: str) -> None:
    """SEC-04: the cookie goes along from another port (TRUST fact 1), so the header decides."""
    client = enter(small_app())
    for address in (
        "/pages/",
        "/pages/picture",
        "/pages/download",
        "/static/css/tokens.css",
        "/",
        "/healthz",
    ):
        assert client.get(address, headers={"Sec-Fetch-Site": site}).status_code == 403, address


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_user_may_type_the_address_or_follow_our_own_link(site: str) -> None:
    client = enter(small_app())
    assert client.get("/pages/", headers={"Sec-Fetch-Site": site}).status_code == 200


@pytest.mark.parametrize("dest", ["iframe", "frame", "object", "embed", "fencedframe", "serviceworker"])
def test_nothing_opens_inside_another_page(app: Flask, dest: str) -> None:
    """SEC-05, the way in and static files included."""
    client = enter(app)
    headers = {"Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin"}
    code = door_of(app).mint_code()
    for address in ("/pages/", "/pages/picture", "/static/css/tokens.css", "/healthz", f"/?c={code}"):
        assert client.get(address, headers=headers).status_code == 403, address
    assert client.get(f"/?c={code}").status_code == 200


def test_no_answer_ever_permits_another_origin() -> None:
    """SEC-04: not even when a view asks for it."""
    app = small_app()
    client = enter(app)
    for address in ("/pages/open-to-all", "/pages/data", "/static/css/tokens.css", "/nowhere"):
        answer = client.get(address)
        assert not [name for name in dict(answer.headers) if name.lower().startswith("access-control-")]


def test_a_code_is_swapped_for_a_strict_cookie_on_a_page_that_moves_on_by_script() -> None:
    """SEC-06: 200, not a redirect."""
    app = small_app()
    answer = stranger(app).get(f"/?c={door_of(app).mint_code()}")
    assert answer.status_code == 200
    assert "js/enter.js" in answer.get_data(as_text=True)
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith(f"claudedesk_{PORT}=")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]


def test_a_code_works_from_outside_once() -> None:
    """SEC-06: the redirect file is another site to the browser; the second use is 403."""
    app = small_app()
    address = f"/?c={door_of(app).mint_code()}"
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
    assert stranger(app).get(address, headers=headers).status_code == 200
    again = stranger(app).get(address, headers=headers)
    assert again.status_code == 403
    assert "Set-Cookie" not in again.headers
    assert "claudedesk open" in again.get_data(as_text=True)


def test_a_code_is_too_old_after_a_minute() -> None:
    """SEC-06."""
    clock = Clock()
    app = small_app(clock)
    code = door_of(app).mint_code()
    clock.seconds += 60
    assert stranger(app).get(f"/?c={code}").status_code == 403


def test_neither_a_head_nor_a_prefetch_nor_an_image_uses_a_code_up() -> None:
    """SEC-04: only a page that a person sees."""
    app = small_app()
    client = stranger(app)
    address = f"/?c={door_of(app).mint_code()}"
    assert client.open(address, method="HEAD").status_code == 403
    assert client.get(address, headers={"Sec-Purpose": "prefetch;prerender"}).status_code == 403
    for dest in ("image", "empty", "script", "style"):
        assert client.get(address, headers={"Sec-Fetch-Dest": dest}).status_code == 403
    assert client.get(address, headers={"Origin": "http://127.0.0.1:1"}).status_code == 403
    assert client.post(address, json={}).status_code == 401
    assert client.get(address).status_code == 200


def test_the_bare_address_leads_the_user_to_the_chat_and_a_stranger_nowhere() -> None:
    app = small_app()
    assert enter(app).get("/").headers["Location"] == "/chat/"
    assert stranger(app).get("/").status_code == 401


def test_a_cookie_that_a_neighbour_planted_does_not_lock_the_user_out() -> None:
    """SEC-03: another port can set a cookie of our name for a deeper path, which the browser sends first."""
    app = small_app()
    client = enter(app)
    cookie = client.get_cookie(f"claudedesk_{PORT}", domain="127.0.0.1")
    assert cookie is not None
    both = f"claudedesk_{PORT}=planted; claudedesk_{PORT}={cookie.value}"
    assert stranger(app).get("/pages/", headers={"Cookie": both}).status_code == 200
    other_port = f"claudedesk_{PORT + 1}={cookie.value}"
    assert stranger(app).get("/pages/", headers={"Cookie": other_port}).status_code == 401


def test_wrong_codes_cookies_and_tokens_are_slowed_down_and_right_ones_still_pass(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SEC-09: 429 after 20 in a minute; nothing logged but a count."""
    clock = Clock()
    app = small_app(clock)
    client = enter(app)
    right = token_of(app, client)
    guesses = [
        lambda n: stranger(app).get(f"/?c=guess-{n}"),
        lambda n: stranger(app).get("/pages/", headers={"Cookie": f"claudedesk_{PORT}=guess-{n}.x"}),
        lambda n: client.get("/pages/data", headers={"X-Claudedesk-Token": f"guess-{n}"}),
        lambda n: stranger(app).post(
            "/instance/open", json={}, headers={"Authorization": f"Claudedesk guess-{n}"}
        ),
    ]
    with caplog.at_level(logging.DEBUG):
        first = [guesses[n % 4](n).status_code for n in range(20)]
        assert set(first) == {401, 403}
        later = [guesses[n % 4](n) for n in range(20, 60)]
    assert {answer.status_code for answer in later} == {429}
    assert {answer.headers["Retry-After"] for answer in later} == {"60"}
    assert "guess" not in caplog.text
    assert [record.getMessage() for record in caplog.records] == [
        "21 wrong codes or tokens were sent to the front door"
    ]
    assert client.get("/pages/data", headers=right).status_code == 200
    assert stranger(app).get(f"/?c={door_of(app).mint_code()}").status_code == 200
    clock.seconds += 60
    assert guesses[0](99).status_code == 403


def test_missing_credentials_are_no_guess() -> None:
    """SEC-09: a tab left open after a restart is told the way in, however often it asks."""
    app = small_app()
    assert {stranger(app).get("/pages/").status_code for _ in range(40)} == {401}
