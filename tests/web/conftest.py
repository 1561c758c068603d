"""The real app over a real server in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from apprun import Client

from claudedesk.desktop.server import Server
from claudedesk.web.session import door_of


@pytest.fixture
def serve(make_app: Callable[..., Any]) -> Iterator[Callable[..., Client]]:
    """Serve an app and enter it."""
    servers: list[Server] = []

    def start(*args: Any, **options: Any) -> Client:
        app = make_app(*args, **options)
        server = Server(app)
        servers.append(server)
        port = server.start()
        client = Client(door_of(app).url(port))
        client.desk = app.extensions["claudedesk"]  # type: ignore[attr-defined]
        client.enter()
        return client

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def site(serve: Callable[..., Client]) -> Any:
    """A served app with the fake's key."""
    return serve()
