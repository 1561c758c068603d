"""`claudedesk key`: set, remove, status. A key is read from a prompt or stdin, never from argv."""

from __future__ import annotations

import sys

import click

from claudedesk.config import Config
from claudedesk.desktop import instance
from claudedesk.keystore import Keys
from claudedesk.logs import redact


@click.group()
def key() -> None:
    """Keep, forget or look at the API key in the system's keyring."""


@key.command("set")
@click.pass_obj
def set_(config: Config) -> None:
    """Read a key from a hidden prompt (or stdin) and keep it."""
    raw = click.prompt("API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    running = _running(config)
    if running:
        click.echo(running.post("/instance/key", {"key": raw})["sentence"])
        return
    state = Keys(config, learn=redact.add).set(raw)
    click.echo(state.sentence)
    if state.source == "memory":
        # This process ends now, and the key with it.
        click.echo("claudedesk: the key could not be kept beyond this command.", err=True)
        sys.exit(1)


@key.command()
@click.pass_obj
def remove(config: Config) -> None:
    """Forget the key."""
    running = _running(config)
    click.echo(running.post("/instance/key", {})["sentence"] if running else Keys(config).remove().sentence)


@key.command()
@click.pass_obj
def status(config: Config) -> None:
    """Say whether there is a key and where it is kept. Exit code 3 when there is none."""
    running = _running(config)
    if running:
        told = running.post("/instance/key/status", {})
        sentence, known = told["sentence"], told["set"]
    else:
        state = Keys(config).state()
        sentence, known = state.sentence, state.set
    click.echo(sentence)
    sys.exit(0 if known else 3)


def _running(config: Config) -> instance.Running | None:
    config.paths.make()
    return instance.find_running(config.paths)


COMMANDS = (key,)
