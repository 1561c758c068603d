"""Every route against a stranger, a cookie alone, and the whole session."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask, Response
from web.doorkit import METHODS, UNSAFE, enter, small_app, stranger, token_of, token_on

from claudedesk import marks
from claudedesk.web import security


def plugin(seen: list[str], *, answers_all: bool = False) -> Blueprint:
    """Return what a hostile plugin might register: hooks before everything, marks that are not its own."""
    blueprint = Blueprint("extra", __name__)

    @blueprint.app_url_value_preprocessor
    def early(endpoint: str | None, values: object) -> None:
        seen.append("preprocessor")

    @blueprint.before_app_request
    def let_everybody_in() -> Response | None:
        seen.append("before")
        return Response("<!doctype html>hello", mimetype="text/html") if answers_all else None

    @blueprint.get("/")
    def page() -> str:
        seen.append("view")
        return "<!doctype html>"

    @blueprint.post("/spend")
    def spend() -> str:
        seen.append("view")
        return "spent"

    @blueprint.route("/free", methods=["GET", "POST"])
    @marks.access("public")
    def free() -> str:
        seen.append("view")
        return "<!doctype html>free"

    @blueprint.post("/hello")
    @marks.access("hello")
    def hello() -> str:
        seen.append("view")
        return "hi"

    return blueprint


def addresses(app: Flask) -> list[tuple[str, str]]:
    """Return each rule's endpoint and an address that it answers, parameters filled in."""
    found = []
    for rule in app.url_map.iter_rules():
        values = {name: "x" for name in rule.arguments}
        built = rule.build(values)
        assert built
        found.append((rule.endpoint, built[1]))
    return found


def test_a_stranger_gets_401_or_403_from_every_route_and_method_outside_public() -> None:
    """SEC-01, plugin routes included."""
    seen: list[str] = []
    app = small_app(plugins=(plugin(seen),))
    client = stranger(app)
    for endpoint, address in [*addresses(app), ("nowhere", "/no/such/page"), ("nowhere", "/chat/")]:
        for method in METHODS:
            status = client.open(address, method=method).status_code
            public = endpoint in {"static", "door.healthz"} and method in {"GET", "HEAD"}
            wanted = {200, 404} if public else {401, 403}
            assert status in wanted, (endpoint, method, status)
    assert "view" not in seen


def test_no_hook_of_a_plugin_runs_before_the_guard() -> None:
    """SEC-25: neither its preprocessor nor its `before_request` that answers 200."""
    seen: list[str] = []
    app = small_app(plugins=(plugin(seen, answers_all=True),))
    assert stranger(app).get("/extra/").status_code == 401
    assert stranger(app).post("/extra/spend", json={}).status_code == 401
    assert seen == []


def test_a_mark_that_only_the_core_may_use_opens_nothing_for_a_plugin() -> None:
    """SEC-25."""
    app = small_app(plugins=(plugin([]),))
    assert stranger(app).get("/extra/free").status_code == 401
    assert stranger(app).post("/extra/hello", json={"nonce": "n" * 40}).status_code == 401


def test_each_view_asks_again_whether_the_guard_let_the_request_in() -> None:
    """SEC-25: even if a plugin has removed the guard."""
    app = small_app()
    app.url_value_preprocessors[None].clear()
    assert stranger(app).get("/pages/").status_code == 403
    assert stranger(app).post("/pages/write", json={}).status_code == 403


def test_the_public_set_is_what_the_documents_say() -> None:
    """SEC-01: a new public route is a decision, made in this line as well."""
    assert {"door.enter", "door.healthz", "static", "instance.hello"} == security.PUBLIC


def test_the_cookie_alone_opens_documents_images_and_downloads_and_nothing_else() -> None:
    """SEC-03."""
    app = small_app()
    client = enter(app)
    for address in ("/pages/", "/pages/picture", "/pages/download"):
        assert client.get(address).status_code == 200, address
        assert client.open(address, method="HEAD").status_code == 200, address
    for address in ("/pages/data", "/pages/stream"):
        assert client.get(address).status_code == 403, address
    for method in UNSAFE:
        assert client.open("/pages/write", method=method, json={}).status_code == 403, method


def test_the_token_of_the_document_opens_the_rest() -> None:
    app = small_app()
    client = enter(app)
    headers = {"X-Claudedesk-Token": token_on(client.get("/pages/"))}
    assert client.get("/pages/data", headers=headers).json == {"answer": 42}
    assert client.get("/pages/stream", headers=headers).data == b"data: 1\n\n"
    for method in UNSAFE:
        answer = client.open("/pages/write", method=method, json={}, headers=headers)
        assert answer.status_code == 201, method


def test_the_token_without_its_cookie_opens_nothing() -> None:
    app = small_app()
    headers = token_of(app, enter(app))
    assert stranger(app).get("/pages/data", headers=headers).status_code == 401
    assert stranger(app).post("/pages/write", json={}, headers=headers).status_code == 401


def test_a_get_that_answers_json_or_a_fragment_unmarked_fails_loudly() -> None:
    """SEC-01: the mark cannot be forgotten."""
    app = small_app()
    client = enter(app)
    for address in ("/pages/forgotten-json", "/pages/forgotten-fragment"):
        answer = client.get(address)
        assert answer.status_code == 500
        assert b"answer" not in answer.data and b"article" not in answer.data


def test_a_route_is_public_static_marked_or_a_document() -> None:
    """SEC-01: over url_map."""
    app = small_app()
    client = enter(app)
    unmarked = [
        address
        for endpoint, address in addresses(app)
        if marks.access_of(app, endpoint) == "document"
        and "forgotten" not in address
        and "fail" not in address
    ]
    answers = {address: client.get(address) for address in unmarked}
    assert {a for a, answer in answers.items() if answer.status_code == 200} == {
        "/pages/",
        "/pages/picture",
        "/pages/download",
        "/pages/open-to-all",
    }
    assert {answer.status_code for answer in answers.values()} == {200, 405}


def test_static_files_of_a_blueprint_are_public_but_a_view_named_so_is_not() -> None:
    """SEC-01."""
    impostor = Blueprint("impostor", __name__)
    impostor.add_url_rule("/x", endpoint="static", view_func=lambda: "<!doctype html>")
    real = Blueprint("real", __name__, static_folder="../../claudedesk/static")
    app = small_app(plugins=(impostor, real))
    assert stranger(app).get("/impostor/x").status_code == 401
    assert stranger(app).get("/real/static/css/nothing.css").status_code == 404


def test_an_unknown_address_is_401_to_a_stranger_and_404_to_the_user() -> None:
    app = small_app()
    assert stranger(app).get("/no/such/page").status_code == 401
    assert enter(app).get("/no/such/page").status_code == 404


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND"])
def test_odd_methods_need_the_token_too(method: str) -> None:
    """SEC-04: a preflight gets no permission."""
    app = small_app()
    client = enter(app)
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.open("/pages/write", method=method, headers=headers)
    assert answer.status_code == 403
    assert not [name for name in dict(answer.headers) if name.lower().startswith("access-control")]


def test_the_page_for_a_stranger_tells_the_way_in() -> None:
    answer = stranger(small_app()).get("/chat/")
    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert "claudedesk open" in answer.get_data(as_text=True)
    assert "claudedesk-token" not in answer.get_data(as_text=True)


def test_where_a_token_is_needed_a_stranger_reads_json() -> None:
    answer = stranger(small_app()).get("/pages/data")
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"]["kind"] == "no_session"
