"""The commands: one group, its options, and errors as words with an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Any, Final

import click

from claudedesk import __version__, config
from claudedesk.errors import BadInput, ClaudeDeskError, NoKey

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_KEY: Final = 3


class Group(click.Group):
    """Prints our errors as one sentence; 2 = bad usage, 3 = no key, 1 = anything else."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except NoKey as error:
            _fail(f"{error.user_message}\nOn the command line: claudedesk key set", EXIT_NO_KEY)
        except BadInput as error:
            _fail(error.user_message, EXIT_USAGE)
        except ClaudeDeskError as error:
            _fail(error.user_message, EXIT_FAILED)
        except BrokenPipeError:
            # Whoever read us has enough; without this Python complains again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_FAILED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception:
            logging.getLogger(__name__).exception("a command failed in an unforeseen way")
            _fail("Something in claudedesk went wrong. The log has the details.", EXIT_FAILED)


def _fail(words: str, code: int) -> None:
    click.echo(f"claudedesk: {words}", err=True)
    sys.exit(code)


@click.group(cls=Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="claudedesk")
@click.option(
    "--browser", is_flag=True, help="Open in the default browser, which is what happens without it, too."
)
@click.option("--demo", is_flag=True, help="Offer the offline demo, which needs no key and costs nothing.")
@click.pass_context
def cli(ctx: click.Context, browser: bool, demo: bool) -> None:
    """Talk to Claude with your own API key: cheap, calm, private, quick, and no word is ever lost.

    Without a command the app opens.
    """
    del browser  # the only way so far; a window will make it a choice
    ctx.obj = config.load(os.environ, demo=demo)
    if ctx.invoked_subcommand is None:
        from claudedesk.cli.serving import start

        start(ctx.obj)


def main() -> None:
    """Run the command line. What a terminal or a pipe cannot show becomes a question mark, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from claudedesk.cli import asking, keys, reading, serving

    for module in (asking, keys, reading, serving):
        for command in module.COMMANDS:
            cli.add_command(command)
    cli(prog_name="claudedesk")
