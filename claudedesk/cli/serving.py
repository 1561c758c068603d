"""The app itself: start it in the browser, serve it, open one that runs."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from claudedesk import logs
from claudedesk.api import EXTENSION
from claudedesk.config import Config
from claudedesk.desk import Desk
from claudedesk.desktop import browser, instance
from claudedesk.desktop.server import Server
from claudedesk.errors import BadInput
from claudedesk.web.session import Door, door_of


@click.command()
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Listen on this port; else any free one."
)
@click.option(
    "--url-file", type=click.Path(path_type=Path), help="Write the address to this file (0600), too."
)
@click.pass_obj
def serve(config: Config, port: int, url_file: Path | None) -> None:
    """Run without opening anything; print one line with the address and stay."""

    def show(url: str) -> None:
        if url_file is not None:
            _write_private(url_file, url + "\n")
        click.echo(f"claudedesk: {url}")

    def ready(url: str, _door: Door) -> None:
        show(url)

    def again(running: instance.Running) -> None:
        # Whoever starts us waits for an address; the running app has one, too.
        show(str(running.post("/instance/open", {})["url"]))

    _run(config, port=port, ready=ready, again=again)


@click.command("open")
@click.pass_obj
def open_(config: Config) -> None:
    """Open the running app in the browser, through a fresh single-use address."""
    config.paths.make()
    running = instance.find_running(config.paths)
    if running is None:
        raise BadInput("claudedesk is not running. Start it with `claudedesk`.")
    _open_running(config, running)


def start(config: Config) -> None:
    """Open the app in the browser and stay until it is ended; open the one that runs already."""

    def ready(url: str, door: Door) -> None:
        click.echo("claudedesk opens in your browser. Press Ctrl+C here to end it.", err=True)
        urls = iter([url])
        threading.Thread(
            target=_open_own,
            args=(config, lambda: next(urls, None) or door.url(_port(url)), door),
            daemon=True,
        ).start()

    _run(config, port=0, ready=ready, again=lambda running: _open_running(config, running))


def _open_own(config: Config, mint: Callable[[], str], door: Door) -> None:
    problem = browser.open_browser(config.paths, mint, door.was_entered)
    if problem:
        click.echo(f"claudedesk: {problem}", err=True)
        click.echo(f"claudedesk: {mint()}")


def _open_running(config: Config, running: instance.Running) -> None:
    problem = browser.open_browser(
        config.paths,
        lambda: str(running.post("/instance/open", {})["url"]),
        lambda url: bool(running.post("/instance/entered", {"url": url})["entered"]),
    )
    if problem:
        click.echo(f"claudedesk: {running.post('/instance/open', {})['url']}")


def _run(
    config: Config,
    *,
    port: int,
    ready: Callable[[str, Door], None],
    again: Callable[[instance.Running], None],
) -> None:
    """Serve until a signal or Ctrl+C; then save every partial and leave nothing running."""
    config.paths.make()
    claimed = instance.claim_or_find(config.paths)
    if isinstance(claimed, instance.Running):
        click.echo("claudedesk runs already.", err=True)
        again(claimed)
        return
    from claudedesk.app import create_app

    undo = logs.setup(config.paths, config.log_level, stream=False)
    try:
        app = create_app(config)
        desk: Desk = app.extensions[EXTENSION]
        server = Server(app, port=port)
        try:
            bound = server.start()
            door = door_of(app)
            claimed.announce(bound, door.instance_secret, "serve")
            _on_signals(server)
            ready(door.url(bound), door)
            desk.begin()
            server.wait()
        except KeyboardInterrupt:
            click.echo("", err=True)
        finally:
            server.stop()
            desk.close()
    finally:
        claimed.release()
        undo()


def _on_signals(server: Server) -> None:
    """End in good order on SIGTERM and SIGHUP, as on Ctrl+C (DAT-26)."""

    def end(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, end)


def _write_private(path: Path, text: str) -> None:
    try:
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}.") from error


def _port(url: str) -> int:
    return int(url.split(":")[2].split("/")[0])


COMMANDS = (serve, open_)
