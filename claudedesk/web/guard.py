"""The guard: lets each request in by what its view is marked as, before any code of a plugin has run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from claudedesk import marks
from claudedesk.errors import Forbidden, TooMany
from claudedesk.web.errors import WORDS, NoSession
from claudedesk.web.headers import ASKED_EACH_TIME, NEVER_CHANGES, STATIC, bound_port
from claudedesk.web.session import cookie_name, door_of, own_host

TOKEN_HEADER: Final = "X-Claudedesk-Token"  # noqa: S105 - a header's name
SAFE_METHODS: Final = ("GET", "HEAD")
NOT_A_PAGE: Final = frozenset({"iframe", "frame", "fencedframe", "object", "embed", "serviceworker"})
COMMANDS_ONLY: Final = "This address is for claudedesk's own commands."


def let_in(endpoint: str | None, values: Mapping[str, Any] | None) -> None:
    """Let the request in or raise: 403 for a stranger, 401 without a session, then 413 and 415 for the body.

    Registered as a `url_value_preprocessor`: Flask runs those before every `before_request`, so it comes
    ahead of any hook that a plugin can register.
    """
    kind = marks.access_of(current_app, endpoint)
    g.claudedesk_access = kind
    if marks.is_static(current_app, endpoint):
        fixed = endpoint == "static" and current_app.static_url_path != "/static"
        request.environ[STATIC] = NEVER_CHANGES if fixed else ASKED_EACH_TIME
    if kind in ("hello", "instance"):
        _check_command(kind)
    else:
        _check_origin(kind)
        _check_session(kind)
    if request.method not in SAFE_METHODS:
        _check_body(endpoint)
    g.claudedesk_let_in = True


def check_let_in() -> None:
    """Raise Forbidden unless the guard has let this very request in."""
    if not g.get("claudedesk_let_in"):
        raise Forbidden(WORDS[403])


def session() -> str | None:
    """Return the session of the request at hand, None for a stranger."""
    found: str | None = g.get("claudedesk_session")
    return found


def counted(error: Forbidden) -> Forbidden | TooMany:
    """Count a wrong guess; return the error to raise, which is 429 when there were too many (SEC-09)."""
    wait = door_of(current_app).count_wrong()
    if not wait:
        return error
    return TooMany("Too many wrong tries. Wait a minute, then run `claudedesk open`.", retry_after=wait)


def port() -> int:
    """Return the port we listen on."""
    return bound_port(current_app, request.environ)


def _brings_code(kind: marks.Access) -> bool:
    return kind == "entrance" and "c" in request.args and request.method in SAFE_METHODS


def _check_origin(kind: marks.Access) -> None:
    """Refuse frames, other origins and other sites.

    A missing header is never a permission: an address such as 0.0.0.0 makes browsers send no Sec-Fetch
    header at all (TRUST fact 2). The Host was checked before, and the session is still to come.
    """
    site, dest = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Dest")
    if dest in NOT_A_PAGE:
        raise Forbidden("claudedesk does not open inside another page.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{own_host(port())}":
        raise Forbidden(WORDS[403])
    if _brings_code(kind):
        # The code may come from outside, but only as a page that a person sees: no guesses by <img> or fetch.
        if dest not in (None, "document"):
            raise Forbidden(WORDS[403])
    elif site not in (None, "same-origin", "none"):
        raise Forbidden(WORDS[403])


def _check_session(kind: marks.Access) -> None:
    reads = request.method in SAFE_METHODS
    if (reads and kind == "public") or _brings_code(kind):
        return
    door = door_of(current_app)
    # Cookies ignore ports: a neighbour can set one of our name beside ours, which must not lock the user out.
    cookies = request.cookies.getlist(cookie_name(port()))
    found = next((cookie for cookie in cookies if door.is_session(cookie)), None)
    if found is None:
        raise counted(NoSession(WORDS[401])) if cookies else NoSession(WORDS[401])
    g.claudedesk_session = found
    if reads and kind != "token":
        return
    token = request.headers.get(TOKEN_HEADER, "")
    if not door.is_token(found, token):
        raise counted(Forbidden(WORDS[403])) if token else Forbidden(WORDS[403])


def _check_command(kind: marks.Access) -> None:
    """Let our own commands in. A browser cannot leave these headers out of a POST to another origin."""
    if "Origin" in request.headers or any(name.startswith("Sec-Fetch-") for name, _ in request.headers):
        raise Forbidden(COMMANDS_ONLY)
    if kind == "hello":
        return
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Claudedesk" or not secret:
        raise NoSession(COMMANDS_ONLY)
    if not door_of(current_app).is_instance_secret(secret):
        raise counted(Forbidden("This command belongs to another instance of claudedesk."))


def _check_body(endpoint: str | None) -> None:
    length, limit = request.content_length, current_app.config["MAX_CONTENT_LENGTH"]
    if length is not None and length > limit:
        raise RequestEntityTooLarge
    if not length and not request.mimetype:
        return
    # "Simple" types travel across origins without asking; what we take does not (TRUST SEC-03).
    wanted = marks.accepted_by(current_app, endpoint)
    family = request.mimetype.partition("/")[0] + "/*"
    if request.mimetype not in wanted and family not in wanted:
        raise UnsupportedMediaType
