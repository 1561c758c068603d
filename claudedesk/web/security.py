"""The front door, installed: the shell, the guard, the way in, and the checks that nobody forgot a mark."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
)
from werkzeug.wrappers import Response as AnyResponse

from claudedesk import marks
from claudedesk.errors import Forbidden
from claudedesk.marks import PUBLIC, accepts, instance_only, needs_token
from claudedesk.web import errors, guard, headers, instance
from claudedesk.web.session import EXTENSION, Door, cookie_name, door_of

__all__ = ["PUBLIC", "Door", "accepts", "install", "instance_only", "needs_token", "page_token", "seal"]

HOME: Final = "/chat/"
MAX_BODY: Final = 40_000_000
CODE_USED: Final = "This way in was used before, or is too old. Run `claudedesk open` for a new one."

entrance = Blueprint("door", __name__)


def install(app: Flask, door: Door) -> None:
    """Put the door before the app. Call it first: what is registered earlier would run unguarded."""
    app.extensions[EXTENSION] = door
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # no stranger may ask what an address can do
    if app.config["MAX_CONTENT_LENGTH"] is None:
        app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    errors.install(app)
    app.url_value_preprocessor(guard.let_in)
    app.after_request(_only_documents_for_the_cookie)
    app.add_template_global(page_token)
    app.register_blueprint(entrance)
    app.register_blueprint(instance.blueprint)
    app.wsgi_app = headers.Shell(app)  # type: ignore[method-assign]


def seal(app: Flask) -> None:
    """Make each view ask again whether the guard let the request in. Call it last, after all blueprints."""
    for endpoint, view in app.view_functions.items():
        if not marks.is_static(app, endpoint):
            app.view_functions[endpoint] = _sealed(view)


def page_token() -> str:
    """Return the token for `<meta name="claudedesk-token">`; empty on a page that a stranger sees."""
    session = guard.session()
    return door_of(current_app).token(session) if session else ""


@entrance.get("/")
@marks.access("entrance")
def enter() -> AnyResponse:
    """Swap the code of `/?c=` for a session; with a session and no code, go to the first page.

    The answer to a code is a page whose script replaces the location: a redirect would arrive without the
    Strict cookie when the navigation began outside, as from our own redirect file (TRUST SEC-06).
    """
    if "c" not in request.args:
        return redirect(HOME)
    # Neither a HEAD nor a prefetch is a person; they must not use the code up.
    prefetch = "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))
    if request.method != "GET" or prefetch:
        raise Forbidden("Open this address in a browser.")
    session = door_of(current_app).redeem(request.args["c"])
    if session is None:
        raise guard.counted(Forbidden(CODE_USED))
    response = make_response(render_template("enter.html", target=HOME))
    response.set_cookie(cookie_name(guard.port()), session, httponly=True, samesite="Strict", path="/")
    return response


@entrance.get("/healthz")
@marks.access("public")
def healthz() -> Response:
    """Say that the program runs, and nothing else."""
    return Response("ok", mimetype="text/plain")


def _only_documents_for_the_cookie(response: Response) -> Response:
    """Stop a GET that answers data to the cookie alone: its view forgot `@needs_token`."""
    if g.get("claudedesk_access") != "document" or request.method != "GET" or response.status_code != 200:
        return response
    mimetype = response.mimetype or "nothing"
    download = response.headers.get("Content-Disposition", "").startswith("attachment")
    if download or mimetype.startswith("image/") or (mimetype == "text/html" and _is_whole_page(response)):
        return response
    raise RuntimeError(f"{request.endpoint} gives {mimetype} to the cookie alone: mark it @needs_token")


def _is_whole_page(response: Response) -> bool:
    # A page that is streamed cannot be looked into; a fragment is never streamed.
    return response.is_streamed or response.get_data()[:64].lstrip().lower().startswith(b"<!doctype html")


def _sealed(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    def sealed(*args: Any, **kwargs: Any) -> Any:
        guard.check_let_in()
        return view(*args, **kwargs)

    return sealed
