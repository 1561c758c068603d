"""Whom a command talks to: the running app, or an engine of its own for as long as it runs."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from claudedesk import logs
from claudedesk.config import Config
from claudedesk.desk import Desk
from claudedesk.desktop import instance
from claudedesk.errors import BadInput
from claudedesk.store.database import Database


@contextmanager
def app_or_desk(config: Config) -> Iterator[instance.Running | Desk]:
    """Give the running app, or else a desk of our own that is closed afterwards.

    Several commands may run beside each other with no app: each is an engine, and the store keeps them apart.
    """
    config.paths.make()
    running = instance.find_running(config.paths)
    if running is not None:
        if config.demo:
            raise BadInput(
                "--demo says nothing to an app that runs already. End it first, or pick the demo's model."
            )
        yield running
        return
    undo = logs.setup(config.paths, config.log_level, stream=False)
    from claudedesk.api import EXTENSION
    from claudedesk.app import create_app

    desk: Desk = create_app(config).extensions[EXTENSION]
    try:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        desk.replies.recover()
        yield desk
    finally:
        desk.close()
        undo()


@contextmanager
def database(config: Config) -> Iterator[Database]:
    """Give the store for reading, whether an app runs or not."""
    from claudedesk.store.opening import open_store

    config.paths.make()
    opened = open_store(config.paths, config.database_url)
    try:
        yield opened
    finally:
        opened.close()
