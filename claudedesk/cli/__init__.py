"""The commands: one group, its options, and errors as words with an exit code."""

from __future__ import annotations

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


def _fail(words: str, code: int) -> None:
    click.echo(f"claudedesk: {words}", err=True)
    sys.exit(code)


@click.group(cls=Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="claudedesk")
@click.option("--browser", is_flag=True, help="Open in the default browser.")
@click.option("--demo", is_flag=True, help="Offer the offline demo, which needs no key and costs nothing.")
@click.option("--safe-mode", is_flag=True, help="Start with the built-in plugins only.")
@click.pass_context
def cli(ctx: click.Context, browser: bool, demo: bool, safe_mode: bool) -> None:
    """Talk to Claude with your own API key: cheap, calm, private, quick, and no word is ever lost.

    Without a command the app opens.
    """
    ctx.obj = config.load(os.environ, demo=demo, safe_mode=safe_mode)
    if ctx.invoked_subcommand is None:
        from claudedesk.cli.serving import start

        start(ctx.obj, browser=browser)


def main() -> None:
    """Run the command line."""
    from claudedesk.cli import asking, keys, reading, serving

    for module in (asking, keys, reading, serving):
        for command in module.COMMANDS:
            cli.add_command(command)
    cli(prog_name="claudedesk")
