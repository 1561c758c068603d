"""`claudedesk ask`: one turn through the whole pipeline, streamed to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from claudedesk.cli.engine import app_or_desk
from claudedesk.config import Config
from claudedesk.desk import Desk
from claudedesk.desktop.instance import Running
from claudedesk.replies.ask import Asked
from claudedesk.replies.ask import ask as ask_here


@click.command()
@click.argument("text")
@click.option(
    "--conversation", metavar="ID", help="Go on in this conversation instead of beginning a new one."
)
@click.option("--model", metavar="ID", help="Ask this model; `claudedesk models` lists them.")
@click.option("--system", "instructions", metavar="TEXT", help="Instructions for the conversation.")
@click.option("--no-answer-cache", is_flag=True, help="Ask Claude even when the same question was answered.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end instead of the text.")
@click.pass_obj
def ask(
    config: Config,
    text: str,
    conversation: str | None,
    model: str | None,
    instructions: str | None,
    no_answer_cache: bool,
    as_json: bool,
) -> None:
    """Ask Claude TEXT (`-` reads it from stdin) and print the answer as it comes."""
    if text == "-":
        text = sys.stdin.read()
    asked = Asked(text, conversation, model, instructions, answers=not no_answer_cache)
    with app_or_desk(config) as engine:
        end = _print(_rows(engine, asked), quiet=as_json)
    if as_json:
        click.echo(json.dumps(end))
    elif end["status"] != "complete":
        told = (end.get("error") or {}).get("message") or ""
        click.echo(f"claudedesk: this reply is {end['status']}. {told}".strip(), err=True)
    sys.exit(_code(end))


def _rows(engine: Running | Desk, asked: Asked) -> Iterator[dict[str, Any]]:
    if isinstance(engine, Running):
        return engine.stream("/instance/ask", asdict(asked))
    return ask_here(engine.replies, asked)


def _print(rows: Iterator[dict[str, Any]], *, quiet: bool) -> dict[str, Any]:
    end: dict[str, Any] = {}
    last = ""
    try:
        for row in rows:
            end = row.get("end", end)
            if row.get("text") and not quiet:
                last = row["text"]
                click.echo(last, nl=False)
                sys.stdout.flush()
    finally:
        rows.close()  # type: ignore[attr-defined]  # an early end stops the reply
        if last and not last.endswith("\n"):
            click.echo()
    return end


def _code(end: dict[str, Any]) -> int:
    if end.get("status") == "complete":
        return 0
    return 1


COMMANDS = (ask,)
