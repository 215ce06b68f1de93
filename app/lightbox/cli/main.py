"""The command ``lightbox``: options that all commands share, errors and exit codes.

Exit codes: 0 it worked, 1 it failed, 2 the command line makes no sense. Errors are one line on standard error.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from lightbox import __version__
from lightbox.cli.context import Context, DemoStarter, GuiStarter
from lightbox.core.errors import Cancelled, LightboxError, UsageError

# Commands are imported only when they run: `lightbox list` must not wait for VTK.
COMMANDS = {
    "import": "library_commands:import_",
    "list": "library_commands:list_",
    "rebuild": "library_commands:rebuild",
    "check": "quality_commands:check",
    "peers": "peer_commands:peers",
    "identity": "peer_commands:identity",
    "echo": "peer_commands:echo",
    "diagnose": "peer_commands:diagnose",
    "find": "network_commands:find",
    "retrieve": "retrieve_commands:retrieve",
    "receive": "receive_commands:receive",
    "send": "send_commands:send",
    "queue": "send_commands:queue",
    "query": "query_commands:query",
    "priors": "query_commands:priors",
    "worklist": "worklist_commands:worklist",
    "reconcile": "worklist_commands:reconcile",
    "mpps": "worklist_commands:mpps",
    "preflight": "preflight_commands:preflight",
    "render": "image_commands:render",
    "volume": "image_commands:volume",
    "findings": "image_commands:findings",
    "deid": "deid_commands:deid",
    "demo": "demo_commands:demo",
    "doctor": "doctor_commands:doctor",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in their order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command `cmd_name`."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        return getattr(importlib.import_module(f"lightbox.cli.{module}"), name)


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Data folder (or LIGHTBOX_HOME).")
@click.version_option(__version__, prog_name="lightbox")
@click.pass_context
def cli(ctx: click.Context, home: Path | None) -> None:
    """Lightbox: find, read, review and share DICOM studies. Without a command the workstation starts."""
    context: Context = ctx.obj
    context.home = home
    if ctx.invoked_subcommand is None:
        if context.gui is None:
            raise UsageError("Nothing to do", todo="Name a command; `lightbox --help` lists them")
        context.exit_code = context.gui(home)


def run(arguments: list[str], *, gui: GuiStarter | None = None, demo: DemoStarter | None = None) -> int:
    """Run the command line and return the exit code."""
    context = Context(gui=gui, demo=demo)
    try:
        cli.main(args=arguments, prog_name="lightbox", standalone_mode=False, obj=context)
    except click.ClickException as error:
        _complain(error.format_message())
        return 2
    except UsageError as error:
        _complain(str(error))
        return 2
    except (click.Abort, KeyboardInterrupt, Cancelled):
        _complain("Cancelled")
        return 1
    except LightboxError as error:
        _complain(str(error))
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        _complain(f"{error.strerror or error} ({error.filename})" if error.filename else str(error))
        return 1
    finally:
        context.close()
    return context.exit_code


def _complain(text: str) -> None:
    click.echo(f"lightbox: {' '.join(text.split())}", err=True)
