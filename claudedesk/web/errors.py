"""The one catch-all at the web edge: every error becomes a status and words, as JSON or as a page."""

from __future__ import annotations

import logging
import math
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from claudedesk import errors
from claudedesk.errors import ClaudeDeskError

log = logging.getLogger("claudedesk.web")

WORDS: Final[Mapping[int, str]] = {
    400: "This request could not be understood.",
    401: "This page has no way in yet. Run `claudedesk open` to open it.",
    403: "This request did not come from claudedesk's own page.",
    404: "There is no such page.",
    405: "This address does not work that way.",
    408: "The request took too long to arrive.",
    411: "The request does not say how long it is.",
    413: "This is too big to send. The limit is {limit} MB.",
    414: "This address is too long.",
    415: "This address does not take that kind of data.",
    416: "This part of the file does not exist.",
    429: "Too many requests. Wait a little, then try again.",
    431: "The request's headers are too long.",
    500: "Something in claudedesk went wrong. The log has the details under {id}.",
    501: "This kind of request is not supported.",
}
KINDS: Final[Mapping[int, str]] = {
    400: "bad_input",
    401: "no_session",
    403: "forbidden",
    404: "not_found",
    405: "wrong_method",
    413: "too_big",
    415: "wrong_type",
    429: "too_many",
    500: "internal",
}


class NoSession(errors.Forbidden):
    """There is no session, or it died with an earlier process."""

    status = 401


def install(app: Flask) -> None:
    """Answer every error of the app."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> Response:
    """Turn any error into the response that the request wants."""
    if isinstance(error, HTTPException) and error.response is not None:
        return make_response(error.response)
    row = describe(error)
    response = as_json(row) if wants_json() else as_page(row)
    response.status_code = row["status"]
    if isinstance(error, HTTPException):
        # What belongs to the answer itself, such as Allow of a 405; the body's type is ours.
        extra = [pair for pair in error.get_headers(request.environ) if pair[0].lower() == "allow"]
        response.headers.extend(extra)
    if row.get("retry_after"):
        response.headers["Retry-After"] = str(math.ceil(row["retry_after"]))
    return response


def describe(error: Exception) -> dict[str, Any]:
    """Return `status`, `message`, `kind` and what else is known. A surprise is logged under an id."""
    if isinstance(error, HTTPException) and error.code == 500:
        # Flask wraps what escaped from a hook of its own.
        error = getattr(error, "original_exception", None) or error
    if isinstance(error, ClaudeDeskError):
        return {"status": error.status, **as_row(error)}
    if isinstance(error, HTTPException) and error.code is not None and error.code != 500:
        return _http_row(error, error.code)
    name = secrets.token_hex(4)
    # The route, not the address: a query may hold a code. Neither headers nor body.
    rule = request.url_rule.rule if request.url_rule else "an unknown address"
    log.error("error %s in %s %s", name, request.method, rule, exc_info=error)
    return {"status": 500, "message": WORDS[500].format(id=name), "kind": KINDS[500], "id": name}


def as_row(error: ClaudeDeskError) -> dict[str, Any]:
    """Return an error of ours as the JSON that `from_row` reads back."""
    row: dict[str, Any] = {"message": error.user_message, "kind": kind_of(error)}
    if isinstance(error, errors.UpstreamError):
        row |= error.as_row()
    retry_after = getattr(error, "retry_after", None)
    return row if retry_after is None else {**row, "retry_after": retry_after}


def from_row(row: Mapping[str, Any], status: int) -> ClaudeDeskError:
    """Return the error that another process of ours described, in its own class where that is known."""
    words, kind = str(row.get("message") or WORDS[500].format(id="no id")), str(row.get("kind", ""))
    retry_after = row.get("retry_after")
    if kind == "too_many":
        return errors.TooMany(words, retry_after=math.ceil(retry_after or 1))
    known = {_snake(cls.__name__): cls for cls in _tree(ClaudeDeskError)}.get(kind)
    if known is not None and known.__init__ is ClaudeDeskError.__init__:
        return known(words, status=status)
    if status == errors.UpstreamError.status:
        told = {name: row.get(name) for name in ("http_status", "request_id", "error_code")}
        detail = str(row.get("detail", ""))
        return errors.UpstreamError(words, kind=kind, retry_after=retry_after, detail=detail, **told)
    return ClaudeDeskError(words, status=status)


def kind_of(error: ClaudeDeskError) -> str:
    """Return the error's one word: its own `kind`, or its class in snake case."""
    return str(getattr(error, "kind", "")) or _snake(type(error).__name__)


def wants_json() -> bool:
    """Tell whether a script reads the answer: it writes, carries the token, or asks for JSON first."""
    if request.method not in ("GET", "HEAD") or g.get("claudedesk_access") in ("token", "hello", "instance"):
        return True
    best = request.accept_mimetypes.best_match(("text/html", "application/json"))
    return best == "application/json"


def as_json(row: Mapping[str, Any]) -> Response:
    """Return the one JSON shape of an error."""
    return jsonify({"error": {name: value for name, value in row.items() if name != "status"}})


def as_page(row: Mapping[str, Any]) -> Response:
    """Return the page for a person: the closed door for 401, else the words; plain text if that fails."""
    template = "door.html" if row["status"] == 401 else "error.html"
    try:
        return make_response(render_template(template, **row))
    except Exception:
        # Whatever broke the request may break a context processor as well; the words must come through.
        log.exception("the error page itself failed")
        return Response(row["message"], mimetype="text/plain")


def _http_row(error: HTTPException, status: int) -> dict[str, Any]:
    limit = (current_app.config.get("MAX_CONTENT_LENGTH") or 0) // 1_000_000
    words = WORDS.get(status, "This request was refused.").format(limit=limit, id="")
    row = {"status": status, "message": words, "kind": KINDS.get(status, "refused")}
    return {**row, "retry_after": _wait_of(error)} if status == 429 else row


def _wait_of(error: HTTPException) -> int:
    """Return whole seconds: what the error says, or the longest that Flask-Limiter's window can last."""
    said = getattr(error, "retry_after", None)
    if isinstance(said, int):
        return said
    window = getattr(getattr(getattr(error, "limit", None), "limit", None), "get_expiry", None)
    return int(window()) if window else 60


def _tree(root: type[ClaudeDeskError]) -> list[type[ClaudeDeskError]]:
    return [root, *(cls for child in root.__subclasses__() for cls in _tree(child))]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
