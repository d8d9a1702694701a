"""Which exit code comes of which end, and how an error is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import psycopg
import pytest

from dbkit import cli, errors
from dbkit.commands import Invocation
from dbkit.errors import DbkitError, nearest
from dbkit.report.errors import show_error
from scratch import process_environment

ENDS = [
    (DbkitError("a migration failed"), 1),
    (errors.ConfigurationError("a file is wrong"), 2),
    (errors.UnreachableError("no server"), 3),
    (errors.LockedError("another run"), 4),
    (errors.InterruptedRunError("stopped", exit_code=143), 143),
    (click.UsageError("no such option"), 2),
    (click.BadParameter("not a number"), 2),
    (KeyboardInterrupt(), 130),
    (cli.Terminated(), 143),
    (click.Abort(), 130),
    (PermissionError(13, "Permission denied", "/x"), 1),
    (psycopg.errors.DiskFull("no room"), 1),
]


@pytest.mark.parametrize(("end", "code"), [pytest.param(end, code, id=type(end).__name__) for end, code in ENDS])
def test_every_end_has_its_exit_code(end: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._exit_code(end, {}) == code

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err != ""
    assert "Traceback" not in captured.err


def test_what_nobody_knows_is_raised_again() -> None:
    with pytest.raises(ZeroDivisionError):
        cli._exit_code(ZeroDivisionError(), {})


def test_an_error_says_what_where_which_state_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = DbkitError("it broke [in] the middle", where="a.sql:3", sqlstate="42P01", hint="mend it\nand again", excerpt="> 3 | [x] SELECT")

    show_error(error, as_json=False)

    assert capsys.readouterr().err.splitlines() == [
        "error: it broke [in] the middle",
        "  at a.sql:3  SQLSTATE 42P01",
        "    > 3 | [x] SELECT",
        "  hint: mend it",
        "        and again",
    ]


def test_a_path_below_the_current_folder_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(DbkitError("it broke", where=f"{Path.cwd()}/a/b.sql:3"), as_json=False)

    assert "  at a/b.sql:3\n" in capsys.readouterr().err


def test_as_json_an_error_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(errors.LockedError("another run", hint="wait"), as_json=True)

    document = json.loads(capsys.readouterr().out)
    assert document == {"error": {"message": "another run", "where": None, "sqlstate": None, "hint": "wait", "exit_code": 4}}


@pytest.mark.parametrize("verbose", [0, 1])
def test_there_is_no_traceback_unless_asked(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    cli._exit_code(DbkitError("it broke"), {"invocation": Invocation(None, None, "text", verbose, quiet=False)})

    assert "Traceback" not in capsys.readouterr().err


def test_vv_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise DbkitError("it broke")

    error = caught(fail)
    cli._exit_code(error, {"invocation": Invocation(None, None, "text", 2, quiet=False)})

    assert "Traceback" in capsys.readouterr().err


def caught(function: Callable[[], None]) -> BaseException:
    with pytest.raises(DbkitError) as info:
        function()
    return info.value


@pytest.mark.parametrize(("word", "answer"), [("ordr", "; did you mean 'order'?"), ("paymnt", "; did you mean 'payment'?"), ("zzz", "")])
def test_the_nearest_spelling_is_offered_where_one_is_near(word: str, answer: str) -> None:
    assert nearest(word, ["order", "payment"]) == answer


def test_every_file_of_the_commands_folder_is_a_command() -> None:
    context = click.Context(cli.program)
    names = cli.program.list_commands(context)

    assert {path.stem for path in cli.COMMANDS.glob("*.py")} - {"__init__"} == {name.replace("-", "_") for name in names}
    assert all(isinstance(cli.program.get_command(context, name), click.Command) for name in names)


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = ["psycopg", "redis", "yoyo", "jinja2", "sqlfluff", "postgast", "msgspec", "rich"]
    script = f"""
import sys
from dbkit.cli import main
try:
    main(["--help"])
except SystemExit:
    print([name for name in {heavy} if name in sys.modules])
"""
    environment = process_environment()

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)

    assert done.stdout.splitlines()[-1] == "[]"
