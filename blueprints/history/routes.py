"""The list of conversations and the search."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup, escape

from claudedesk.api import Conversation, desk, iso

PAGE = 100
blueprint = Blueprint("history", __name__, template_folder="templates")


@blueprint.get("/")
def index() -> str:
    """Show the newest conversations, or the messages that hold what is searched for."""
    query = request.args.get("q", "").strip()
    hits = [_hit(hit) for hit in desk().find(query, limit=PAGE)] if query else []
    before = request.args.get("before", type=_place)
    kept = [] if query else desk().conversations(limit=PAGE + 1, before=before)
    older = url_for("history.index", before=kept[PAGE - 1].activity) if len(kept) > PAGE else None
    rows = [_row(one) for one in kept[:PAGE]]
    return render_template("history/index.html", query=query, hits=hits, rows=rows, older_url=older)


def _place(text: str) -> int:
    """Read a place in the order of conversations. Raises ValueError, which Flask takes for "not given"."""
    place = int(text)
    if not 0 <= place < 2**63:
        raise ValueError(text)
    return place


def _row(kept: Conversation) -> dict[str, Any]:
    url = url_for("chat.show", conversation=kept.id)
    return {"title": kept.title, "url": url, "updated": iso(kept.updated), "demo": kept.demo}


def _hit(hit: Any) -> dict[str, Any]:
    url = url_for("chat.show", conversation=hit.conversation, _anchor=f"m-{hit.message}")
    return {
        "conversation_url": url,
        "title": hit.title,
        "role": hit.role,
        "created": iso(hit.created),
        "snippet": marked(hit.snippet),
        "message": hit.message,
    }


def marked(snippet: str) -> Markup:
    """Return a snippet as HTML: all of it escaped, then its matched parts marked."""
    escaped = str(escape(snippet))
    return Markup(escaped.replace("\ue000", "<mark>").replace("\ue001", "</mark>"))  # noqa: S704 - escaped above
