"""The front door as a real browser sees it: the way in, and what a hostile page on another port gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, render_template_string, request
from web.doorkit import PAGE, serving, small_app

from claudedesk.desktop.browser import open_browser
from claudedesk.paths import standard
from claudedesk.web import security
from claudedesk.web.session import door_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@dataclass
class Desk:
    """The app behind the front door, and what reached its views."""

    app: Flask
    port: int
    written: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def inside(chromium: Any, desk: Desk) -> Iterator[Any]:
    """A profile that holds the cookie."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(door_of(desk.app).url(desk.port))
    page.wait_for_url(f"{desk.base}/chat/")
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(inside: Any, desk: Desk) -> Iterator[Any]:
    """The first page, with the user's session."""
    desk.written.clear()
    page = inside.new_page()
    page.goto(f"{desk.base}/chat/")
    yield page
    page.close()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """The small app with a first page and a route that writes."""
    written: list[str] = []
    chat = Blueprint("chat", __name__)

    @chat.get("/")
    def first() -> str:
        return render_template_string(PAGE + "<h1>Chat</h1>")

    @chat.post("/spend")
    def spend() -> dict[str, bool]:
        written.append(request.get_data(as_text=True))
        return {"spent": True}

    @chat.get("/data")
    @security.needs_token
    def data() -> dict[str, int]:
        return {"answer": 42}

    app = small_app(plugins=(chat,))
    with serving(app) as port:
        yield Desk(app, port, written)


@contextmanager
def hostile(html: str, hits: list[str] | None = None) -> Iterator[str]:
    """Serve a page of somebody else's on another port; `hits` hears of every request that reaches it."""
    app = Flask("hostile")

    @app.before_request
    def note() -> None:
        if hits is not None:
            hits.append(request.full_path)

    app.add_url_rule("/", view_func=lambda: Response(html, mimetype="text/html"))
    with serving(app) as port:
        yield f"http://127.0.0.1:{port}/"


def test_the_redirect_file_leads_a_real_browser_to_the_chat(
    chromium: Any, desk: Desk, tmp_path: Path
) -> None:
    """SEC-06: file, code, cookie, script, chat; no code in the argv and none left in the history."""
    page = chromium.new_page()
    started: list[str] = []

    def opener(url: str) -> bool:
        started.append(url)
        page.goto(url)
        page.wait_for_url(f"{desk.base}/chat/")
        return True

    door = door_of(desk.app)
    folders = standard(str(tmp_path))
    assert open_browser(folders, lambda: door.url(desk.port), door.was_entered, opener) is None
    assert [url.partition(":")[0] for url in started] == ["file"]
    assert page.evaluate("document.cookie") == ""
    assert page.inner_text("h1") == "Chat"
    page.reload()
    assert page.inner_text("h1") == "Chat"
    page.go_back()
    assert "c=" not in page.url
    page.context.close()


def test_the_page_s_own_script_gets_through_with_its_token(page: Any, desk: Desk) -> None:
    """SEC-03."""
    statuses = page.evaluate(
        """async () => {
            const token = document.querySelector("meta[name=claudedesk-token]").content;
            const json = {"Content-Type": "application/json"};
            const headers = {...json, "X-Claudedesk-Token": token};
            const send = (headers) => fetch("/chat/spend", {method: "POST", headers, body: "{}"});
            return [(await send(headers)).status, (await send(json)).status,
                    (await fetch("/chat/data", {headers})).status, (await fetch("/chat/data")).status];
        }"""
    )
    assert statuses == [200, 403, 200, 403]
    assert desk.written == ["{}"]


def test_a_page_on_another_port_can_neither_write_read_nor_frame(
    page: Any, desk: Desk, tmp_path: Path
) -> None:
    """SEC-03, SEC-04, SEC-05: with the user's real cookie, which the browser sends along (TRUST fact 1)."""
    seen: list[str] = []
    page.on("response", lambda response: seen.append(f"{response.status} {response.url}"))
    with hostile('<!doctype html><form method="post" enctype="text/plain"><input name="a"></form>') as url:
        page.goto(url)
        got = page.evaluate(
            """async (bases) => {
                const got = [];
                const note = (promise) => promise.then((r) => r.text()).then((t) => got.push(t), () => {});
                for (const base of bases) {
                    for (const mode of ["no-cors", "cors"]) {
                        const more = {mode, credentials: "include"};
                        const headers = {"Content-Type": "text/plain"};
                        const post = {method: "POST", headers, body: "1"};
                        await note(fetch(base + "/chat/spend", {...more, ...post}));
                        await note(fetch(base + "/chat/data", more));
                        await note(fetch(base + "/chat/", more));
                    }
                    navigator.sendBeacon(base + "/chat/spend", "2");
                    await new Promise((done) => {
                        const image = new Image();
                        image.onload = () => { got.push("image"); done(); };
                        image.onerror = done;
                        image.src = base + "/pages/picture";
                    });
                }
                return got.filter((text) => text !== "");
            }""",
            [desk.base, f"http://localhost:{desk.port}", f"http://0.0.0.0:{desk.port}"],
        )
        assert got == []
        for base in (desk.base, f"http://localhost:{desk.port}"):
            page.goto(url)
            page.evaluate("base => { document.forms[0].action = base + '/chat/spend' }", base)
            page.evaluate("document.forms[0].submit()")
            page.wait_for_url(f"{base}/chat/spend")
        page.goto(url)
        page.evaluate(
            """base => new Promise((done) => {
                const frame = document.createElement("iframe");
                frame.onload = done;
                frame.src = base + "/chat/";
                document.body.append(frame);
            })""",
            desk.base,
        )
        framed = [frame for frame in page.frames if frame.parent_frame]
        assert [frame.locator("h1", has_text="Chat").count() for frame in framed] == [0]
    assert desk.written == []
    ours = [line for line in seen if f":{desk.port}/" in line]
    assert ours
    assert {line.split()[0] for line in ours} == {"403"}


def test_injected_html_runs_nothing_and_sends_nothing(page: Any, desk: Desk) -> None:
    """SEC-10, SEC-11, SEC-15: the policy alone, if the sanitizer had let everything through."""
    hits: list[str] = []
    with hostile("<!doctype html>", hits) as url:
        outcome = page.evaluate(
            """async (url) => {
                const outcome = {ran: 0, typed: ""};
                window.ran = () => { outcome.ran += 1; };
                try { document.body.innerHTML = "<b>x</b>"; } catch (error) { outcome.typed = error.name; }
                const make = (name, values) => {
                    const made = document.createElement(name);
                    for (const [key, value] of Object.entries(values)) {
                        try { made.setAttribute(key, value); } catch { /* Trusted Types */ }
                    }
                    document.body.append(made);
                    return made;
                };
                make("img", {src: url + "?image", onerror: "ran()"});
                make("iframe", {src: url + "?frame"});
                make("object", {data: url + "?object"});
                make("link", {rel: "stylesheet", href: url + "?style"});
                make("script", {src: url + "?script"});
                make("base", {href: url});
                make("a", {href: "javascript:ran()"}).click();
                make("div", {style: "background: url(" + url + "?background)"});
                const form = make("form", {action: url + "?form", method: "post"});
                form.submit();
                await fetch(url + "?fetch").catch(() => {});
                navigator.sendBeacon(url + "?beacon");
                await new Promise((done) => setTimeout(done, 100));
                return outcome;
            }""",
            url,
        )
    assert outcome == {"ran": 0, "typed": "TypeError"}
    assert hits == []
    assert page.url == f"{desk.base}/chat/"


def test_the_browser_understands_every_header_and_denies_the_devices(page: Any, desk: Desk) -> None:
    """SEC-13, SEC-15: even to a page that the user has given the permission."""
    page.context.grant_permissions(["camera", "microphone", "geolocation", "clipboard-read"])
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{desk.base}/chat/")
    assert [text for text in said if "policy" in text.lower() or "feature" in text.lower()] == []
    denied = page.evaluate(
        """async () => {
            const failed = (promise) => promise.then(() => "allowed", (error) => error.name);
            const place = new Promise((good, bad) => navigator.geolocation.getCurrentPosition(good, bad));
            return [await failed(navigator.mediaDevices.getUserMedia({audio: true})),
                    await failed(navigator.mediaDevices.getUserMedia({video: true})),
                    await failed(navigator.mediaDevices.getDisplayMedia()),
                    await failed(navigator.clipboard.readText()),
                    await place.then(() => 0, (error) => error.code)];
        }"""
    )
    assert denied[:2] == ["NotAllowedError", "NotAllowedError"]
    assert denied[2] in ("NotAllowedError", "InvalidStateError")
    assert denied[3:] == ["NotAllowedError", 1]
