"""Commands about what is kept: models, settings, search, export."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from claudedesk.cli.engine import app_or_desk, database
from claudedesk.config import CORE_SETTINGS, Config
from claudedesk.desktop.instance import Running
from claudedesk.errors import BadInput, NotFound
from claudedesk.replies.ask import model_row
from claudedesk.types import Setting


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--refresh", is_flag=True, help="Fetch the list from Claude first.")
@click.pass_obj
def models(config: Config, as_json: bool, refresh: bool) -> None:
    """List the models that can be asked."""
    with app_or_desk(config) as engine:
        if isinstance(engine, Running):
            found = list(engine.post("/instance/models", {"refresh": refresh})["models"])
        else:
            found = [model_row(model) for model in engine.models_known(refresh=refresh)]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in found:
        note = f"  ({row['lifecycle']})" if row["lifecycle"] != "active" else ""
        click.echo(f"{row['id']:<36} {row['name']}{note}")
    if not found:
        click.echo("No models are known yet. Set a key, then run `claudedesk models --refresh`.", err=True)


@click.group(invoke_without_command=True)
@click.pass_context
def settings(ctx: click.Context) -> None:
    """List, read or change settings."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@settings.command("list")
@click.pass_obj
def list_(config: Config) -> None:
    """List every setting with its value."""
    from claudedesk.store.settings import Settings

    with database(config) as opened:
        for name, value in Settings(opened, specs()).all().items():
            click.echo(f"{name} = {_shown(value)}")


@settings.command()
@click.argument("name")
@click.pass_obj
def get(config: Config, name: str) -> None:
    """Print one setting."""
    from claudedesk.store.settings import Settings

    with database(config) as opened:
        click.echo(_shown(Settings(opened, specs()).get(name)))


@settings.command("set")
@click.argument("name")
@click.argument("value")
@click.pass_obj
def set_(config: Config, name: str, value: str) -> None:
    """Change one setting."""
    with app_or_desk(config) as engine:
        if isinstance(engine, Running):
            engine.post("/instance/settings", {"name": name, "value": value})
        else:
            engine.settings.set(name, value)


def specs() -> tuple[Setting, ...]:
    """Return the settings of core and plugins."""
    from claudedesk import plugins

    return (*CORE_SETTINGS, *plugins.load().settings())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@click.command()
@click.argument("text")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Hits at most.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
@click.pass_obj
def search(config: Config, text: str, limit: int, as_json: bool) -> None:
    """Search every message for TEXT: words, "phrases", the last word as a prefix; newest first."""
    from claudedesk.replies.turns import iso
    from claudedesk.store import search as index

    with database(config) as opened, opened.read() as tx:
        hits = index.find(tx, text, limit=limit)
    rows = [
        {
            "conversation": hit.conversation,
            "message": hit.message,
            "role": hit.role,
            "created": iso(hit.created),
            "snippet": _plain(hit.snippet),
            "title": hit.title,
        }
        for hit in hits
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row, hit in zip(rows, hits, strict=True):
        click.echo(f"{row['created'][:10]}  {row['title']}  ({row['conversation']})")
        click.echo(f"    {'You' if row['role'] == 'user' else 'Claude'}: {_bold(hit.snippet)}")


def _plain(snippet: str) -> str:
    return snippet.replace("\ue000", "").replace("\ue001", "")


def _bold(snippet: str) -> str:
    if not sys.stdout.isatty():
        return _plain(snippet)
    return snippet.replace("\ue000", "\x1b[1m").replace("\ue001", "\x1b[0m")


@click.command()
@click.option("--format", "kind", type=click.Choice(["json", "markdown"]), default="json", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A file, or for Markdown a folder; stdout without it."
)
@click.option("--conversation", metavar="ID", help="Only this conversation.")
@click.pass_obj
def export(config: Config, kind: str, out: Path | None, conversation: str | None) -> None:
    """Write your conversations out: JSON holds everything, Markdown is for reading."""
    from claudedesk.transfer import json_out, markdown_out

    with database(config) as opened:
        if conversation is not None and not list(json_out.each(opened, conversation)):
            raise NotFound(f"There is no conversation {conversation}.")
        if kind == "json":
            _write(json_out.export(opened, conversation), out)
        elif out is not None and (out.is_dir() or not out.suffix):
            _write_folder(markdown_out.documents(opened, conversation), out)
        else:
            _write((f"{text}\n" for _name, text in markdown_out.documents(opened, conversation)), out)


def _write(pieces: Iterable[str], out: Path | None) -> None:
    """Write to stdout, or to a private file that gets its name only when it is whole."""
    if out is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    part = out.with_name(f".claudedesk-{secrets.token_hex(8)}.part")
    try:
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            for piece in pieces:
                file.write(piece.encode("utf-8", "replace").decode())
        os.replace(part, out)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise BadInput(f"{out} cannot be written: {error.strerror or error}.") from error
    click.echo(f"Written to {out}.", err=True)


def _write_folder(documents: Iterable[tuple[str, str]], out: Path) -> None:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{out} cannot be made: {error.strerror or error}.") from error
    for name, text in documents:
        _write([text], out / name)


COMMANDS = (models, settings, search, export)
