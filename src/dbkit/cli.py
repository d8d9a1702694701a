"""The `dbkit` program: global options, commands found by their file, errors and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import click

from dbkit import __version__
from dbkit.commands import Invocation
from dbkit.errors import DbkitError, nearest

COMMANDS = Path(__file__).parent / "commands"


class CommandFolder(click.Group):
    """A group whose commands are the modules of commands/, each with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(path.stem.replace("_", "-") for path in COMMANDS.glob("[a-z]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"dbkit.commands.{cmd_name.replace('-', '_')}")
        return module.command  # type: ignore[no-any-return]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            known = nearest(name, self.list_commands(ctx))
            raise click.UsageError(f"no command {name!r}{known}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=CommandFolder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--project", type=click.Path(path_type=Path), help="Folder with the dbkit.toml (default: the nearest one upward).")
@click.option("--env", "environment", metavar="NAME", help="Environment of the manifest (default: $DBKIT_ENV, then the manifest's).")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="What standard output is for.")
@click.option("-v", "--verbose", count=True, help="Say more; -vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.version_option(__version__, prog_name="dbkit")
@click.pass_context
def program(ctx: click.Context, project: Path | None, environment: str | None, output_format: str, verbose: int, *, quiet: bool) -> None:
    """Databases as code: SQL migrations, functions and Redis scripts, linted, applied, watched.

    \b
    Exit codes: 0 done, or nothing to do · 1 a problem was found or hit · 2 usage or
    configuration error · 3 a target can't be reached · 4 another run holds the lock ·
    130, 143 interrupted.
    """
    ctx.obj = Invocation(project, environment, output_format, verbose, quiet)


class Terminated(KeyboardInterrupt):
    """SIGTERM: end as Ctrl-C does, with the exit code that tells them apart."""

    exit_code = 143


def _terminate(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise Terminated


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit with the code that tells what came of it."""
    signal.signal(signal.SIGTERM, _terminate)
    context: dict[str, Any] = {}
    try:
        with program.make_context("dbkit", list(sys.argv[1:] if arguments is None else arguments)) as ctx:
            try:
                program.invoke(ctx)
            finally:
                context["invocation"] = ctx.obj  # the group's own callback makes it
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except BaseException as exc:  # noqa: BLE001 what nobody knows is raised again
        code = _exit_code(exc, context)
        # CPython remembers an interrupt that passed through an exec of text (importing a namedtuple is one), and under
        # `python -m` dies by SIGINT in place of our exit code; the next exec forgets it
        exec("")  # noqa: S102
        sys.exit(code)


def _exit_code(exc: BaseException, context: dict[str, Any]) -> int:
    """Tell the user what happened and return the exit code for it."""
    match exc:
        case click.ClickException():
            exc.show()
            return exc.exit_code
        case DbkitError():
            return _explain(exc, context)
        case click.Abort() | KeyboardInterrupt():
            click.echo("interrupted", err=True)
            return int(getattr(exc, "exit_code", 130))
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        case OSError():
            return _explain(DbkitError(f"{exc.strerror or exc}" + (f": {exc.filename}" if exc.filename else "")), context)
        case _ if "psycopg" in sys.modules and isinstance(exc, sys.modules["psycopg"].Error):
            from dbkit.postgres.connect import server_error

            return _explain(server_error(exc, doing="the server refused"), context)
        case _:
            raise exc


def _explain(exc: DbkitError, context: dict[str, Any]) -> int:
    from dbkit.report.errors import show_error

    invocation = context.get("invocation")
    if invocation and invocation.verbose > 1:
        import traceback

        traceback.print_exception(exc, file=sys.stderr)
    show_error(exc, as_json=bool(invocation and invocation.format == "json"))
    return exc.exit_code
