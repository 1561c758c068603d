"""The front door of the whole program: each route that exists, against strangers and the cookie."""

from __future__ import annotations

from typing import Any

import pytest
from web.doorkit import METHODS, UNSAFE, enter, stranger, token_of

from claudedesk import marks


def addresses(app: Any) -> list[tuple[str, str]]:
    """Return each rule's endpoint and an address that it answers, parameters filled in."""
    found = []
    for rule in app.url_map.iter_rules():
        built = rule.build(dict.fromkeys(rule.arguments, "x"))
        assert built
        found.append((rule.endpoint, built[1]))
    return found


@pytest.fixture
def real(app: Any) -> Any:
    """The app as create_app makes it, with its engine on a fake API (tests/conftest.py)."""
    return app


def test_a_stranger_is_refused_by_every_route_that_exists(real: Any) -> None:
    """SEC-01: a new route that answers a stranger fails here until it stands in PUBLIC."""
    client = stranger(real)
    for endpoint, address in addresses(real):
        public = marks.is_static(real, endpoint) or endpoint == "door.healthz"
        for method in METHODS:
            status = client.open(address, method=method).status_code
            wanted = {200, 404} if public and method in ("GET", "HEAD") else {401, 403}
            assert status in wanted, (endpoint, method, status)


def test_the_cookie_alone_reads_documents_only_and_writes_nothing(real: Any) -> None:
    """SEC-01, SEC-03: every GET is public, static, marked or a document (500 tells of a forgotten mark)."""
    client = enter(real)
    for endpoint, address in addresses(real):
        kind = marks.access_of(real, endpoint)
        status = client.get(address).status_code
        if kind == "token":
            assert status in (403, 405), (endpoint, status)
        elif kind == "document":
            assert status in (200, 302, 308, 404, 405), (endpoint, status)
        for method in UNSAFE:
            refused = client.open(address, method=method, json={}).status_code
            assert refused in (401, 403), (endpoint, method, refused)


def test_nothing_is_public_beyond_the_list(real: Any) -> None:
    """SEC-01."""
    open_to_all = {
        endpoint
        for endpoint in real.view_functions
        if marks.access_of(real, endpoint) in ("public", "entrance", "hello")
        and not marks.is_static(real, endpoint)
    }
    assert open_to_all == marks.PUBLIC - {"static"}


def test_the_documents_carry_the_headers_and_the_token_of_their_session(real: Any) -> None:
    """SEC-15."""
    client = enter(real)
    token = token_of(real, client)["X-Claudedesk-Token"]
    for address in ("/chat/", "/history/", "/settings/", "/usage/"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert f'name="claudedesk-token" content="{token}"' in answer.get_data(as_text=True)
        assert "require-trusted-types-for 'script'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_no_address_answers_another_site(real: Any) -> None:
    """SEC-04."""
    client = enter(real)
    for _, address in addresses(real):
        for site in ("same-site", "cross-site"):
            answer = client.get(address, headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403, address
