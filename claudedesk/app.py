"""The table of contents of the program: one line for each concern."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from claudedesk import desk as desks
from claudedesk import plugins
from claudedesk.api import EXTENSION
from claudedesk.claude.client import Claude
from claudedesk.config import CORE_SETTINGS, Config
from claudedesk.extensions import cache, limiter
from claudedesk.keystore import Keys
from claudedesk.store.opening import open_store
from claudedesk.store.settings import Settings
from claudedesk.types import Clock
from claudedesk.web import assets, commands, events, nav, security


def create_app(
    config: Config,
    *,
    keys: Keys | None = None,
    claude: Callable[[Config, Keys], Claude] | None = None,
    clock: Clock | None = None,
    **flask_config: Any,
) -> Flask:
    """Make the app with its engine. Opens (or makes, or migrates) the store; imports neither SDK nor keyring."""
    config.paths.make()
    app = Flask("claudedesk", static_url_path=assets.address(Path(__file__).parent / "static"))
    app.config.update(RATELIMIT_HEADERS_ENABLED=False, **flask_config)
    database = open_store(config.paths, config.database_url)
    found = plugins.load()
    settings = Settings(database, (*CORE_SETTINGS, *found.settings()))
    security.install(app, security.Door())
    limiter.init_app(app)
    cache.init_app(app, {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(config.paths.answers)})
    backend = app.extensions["cache"][cache]
    app.extensions[EXTENSION] = desks.build(
        config, database, found, settings, backend, keys=keys, claude=claude, clock=clock
    )
    assets.install(app)
    nav.install(app)
    app.register_blueprint(events.blueprint)
    app.register_blueprint(commands.blueprint)
    _mount(app, found)
    security.seal(app)
    return app


def _mount(app: Flask, found: plugins.Plugins) -> None:
    for name, blueprint in found.collect("flask_blueprints"):
        if blueprint.name != name:
            raise ValueError(f"the blueprint {blueprint.name!r} must be called {name!r}, after its plugin")
        app.register_blueprint(blueprint, url_prefix=f"/{name}")
