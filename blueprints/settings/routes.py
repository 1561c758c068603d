"""The settings page; each change is stored and takes effect at once."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from blueprints.settings import service
from claudedesk.api import BadInput, desk, json_body, limiter

KEY_CHECKS = "20/minute"
blueprint = Blueprint("settings", __name__, template_folder="templates")


@blueprint.get("/")
def index() -> str:
    """Show every setting."""
    return render_template("settings/index.html", **service.page())


@blueprint.put("/values/<name>")
def change(name: str) -> dict[str, Any]:
    """Store one setting."""
    if desk().settings.spec(name).internal:
        raise BadInput("This setting is claudedesk's own.")
    value = desk().settings.set(name, json_body().get("value"))
    if name == "appearance.theme":
        desk().hub.tell("settings", {"theme": value})
    return {"name": name, "value": value, "message": "Saved."}


@blueprint.post("/key")
@limiter.limit(KEY_CHECKS)
def save_key() -> dict[str, Any]:
    """Clean, keep and check a key; it is kept even when it cannot be checked just now."""
    return service.save_key(json_body().get("key"))


@blueprint.delete("/key")
def remove_key() -> dict[str, Any]:
    """Forget the key."""
    return service.key_row(desk().remove_key())


@blueprint.post("/key/check")
@limiter.limit(KEY_CHECKS)
def check_key() -> dict[str, Any]:
    """Check the key with a free call."""
    return {**service.key_row(desk().keys.state()), "message": desk().check_key()}


@blueprint.post("/models")
@limiter.limit(KEY_CHECKS)
def refresh_models() -> dict[str, Any]:
    """Fetch the list of models anew."""
    return {"message": desk().check_key()}


@blueprint.put("/demo")
def demo() -> dict[str, Any]:
    """Offer the offline demo as a model, or no longer."""
    on = json_body().get("enabled") is True
    desk().settings.set("demo.enabled", on)
    return {"enabled": on}
