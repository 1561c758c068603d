"""What the settings page shows and how a key is taken in."""

from __future__ import annotations

from typing import Any

from claudedesk.api import BadInput, ClaudeDeskError, desk, iso, wording

ELSEWHERE = ("model.default", "chat.instructions", "appearance.theme")
"""Settings with a place of their own on the page."""


def page() -> dict[str, Any]:
    """Return the page's context."""
    at = desk()
    values = at.settings.all()
    specs = [
        {"spec": spec, "value": values[name]}
        for name, spec in at.settings.specs.items()
        if not spec.hidden and name not in ELSEWHERE
    ]
    default, told = at.default_model(), at.models.fetched()
    return {
        "key": key_row(at.keys.state()),
        "specs": specs,
        "models": at.models.all(),
        "model_default": values["model.default"],
        "model_chosen": default,
        "models_told": iso(told) if told else None,
        "instructions": values["chat.instructions"],
        "theme": values["appearance.theme"],
        "data": _data(),
        "api_url": at.config.api_url,
        "api_url_from_env": at.config.api_url_from_env,
        "proxies": at.config.proxies,
        "demo_on": at.demo_on(),
        "plugins": at.plugins.rows,
    }


def _data() -> dict[str, str]:
    paths = desk().config.paths
    path = paths.database
    size = wording.size(path.stat().st_size) if path.exists() else ""
    return {"folder": str(paths.data), "database": str(path), "size": size, "logs": str(paths.logs)}


def key_row(state: Any) -> dict[str, Any]:
    """Return what may be shown of the key: never the key itself (SEC-19)."""
    return {"set": state.set, "last4": state.last4, "source": state.source, "sentence": state.sentence}


def save_key(raw: Any) -> dict[str, Any]:
    """Keep a key, then check it; a check that fails says why and changes nothing."""
    if not isinstance(raw, str):
        raise BadInput("Paste the key as text.")
    state = desk().set_key(raw)
    try:
        return {**key_row(state), "ok": True, "message": desk().check_key()}
    except ClaudeDeskError as error:
        return {**key_row(state), "ok": False, "message": error.user_message}
