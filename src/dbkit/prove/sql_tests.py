"""SQL tests: blocks of plain SQL whose last statement must return no rows, or which must raise.

-- test: a currency without an entry is refused
-- raises: SH004
-- as: app
SELECT …
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.project.manifest import ROLE_KINDS
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

    from dbkit.postgres.connect import Database


@dataclass(frozen=True, slots=True)
class SqlTest:
    """One block: its claim, where it stands, who runs it, the SQLSTATE that it must raise."""

    service: str
    claim: str
    path: Path
    line: int
    text: str
    role: str
    raises: str | None


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of a test; `problem` is empty where it passed."""

    test: SqlTest
    seconds: float
    problem: str

    @property
    def passed(self) -> bool:
        return not self.problem


def load_sql_tests(service: str, folder: Path) -> list[SqlTest]:
    """Read every block of every .sql file of the folder."""
    files = sorted(folder.glob("*.sql")) if folder.is_dir() else []
    return [test for path in files for test in _blocks(service, path)]


def _blocks(service: str, path: Path) -> list[SqlTest]:
    text = read_source(path)
    starts = [match.start() for match in re.finditer(r"(?m)^-- test:", text)]
    if not starts:
        raise ConfigurationError("the file holds no test", where=f"{path}:1", hint="a test begins with a line `-- test: what holds`")
    found = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        block = text[start:end]
        line = text.count("\n", 0, start) + 1
        header = dict(re.findall(r"(?m)^-- (test|raises|as): *(.+?) *$", block))
        role = header.get("as", "owner")
        if role not in ROLE_KINDS:
            raise ConfigurationError(f"no role {role!r}", where=f"{path}:{line}", hint=f"roles: {', '.join(ROLE_KINDS)}")
        raises = header.get("raises")
        if raises is not None and not re.fullmatch(r"[0-9A-Z]{5}", raises):
            raise ConfigurationError(f"{raises!r} is not an SQLSTATE", where=f"{path}:{line}")
        found.append(SqlTest(service, header["test"], path, line, block, role, raises))
    return found


def run_sql_test(database: Database, owner: str, test: SqlTest) -> TestResult:
    """Run the block in a transaction that is rolled back, deferred constraints included.

    A role other than the owner LOGS IN, since SET ROLE does not apply a role's settings.
    """
    from psycopg import errors

    started = time.monotonic()
    kind, settings = ("migrator", {"role": owner}) if test.role == "owner" else (test.role, {})
    with database.connect("test", kind, **settings) as connection:
        connection.execute("BEGIN")
        rows, error = _send(connection, test.text + "\n;SET CONSTRAINTS ALL IMMEDIATE")
        if error is not None and not isinstance(error, errors.Error):
            raise error
        connection.execute("ROLLBACK")
    return TestResult(test, time.monotonic() - started, _problem(test, rows, error))


def _problem(test: SqlTest, rows: list[str], error: psycopg.Error | None) -> str:
    if error is not None and error.sqlstate == test.raises:
        return ""
    if error is not None:
        expected = f", not {test.raises}" if test.raises else ""
        detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
        return f"raised {error.sqlstate}{expected}: {error.diag.message_primary}{detail}"
    if test.raises:
        return f"raised nothing, where {test.raises} was due"
    if rows:
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        return f"returned {len(rows)} row{'' if len(rows) == 1 else 's'}: {'; '.join(rows[:3])}{more}"
    return ""


def _send(connection: psycopg.Connection[tuple[Any, ...]], script: str) -> tuple[list[str], psycopg.Error | None]:
    """Return the rows of the statement before the closing one, or the error."""
    from psycopg import errors, generators
    from psycopg.pq import ExecStatus

    connection.pgconn.send_query(script.encode())
    results = connection.wait(generators.execute(connection.pgconn))
    if results[-1].status == ExecStatus.FATAL_ERROR:
        return [], errors.error_from_result(results[-1])
    return (_rows(results[-2]) if len(results) > 1 else []), None


def _rows(result: PGresult) -> list[str]:
    return [
        "(" + ", ".join((result.get_value(row, column) or b"NULL").decode() for column in range(result.nfields)) + ")"
        for row in range(result.ntuples)
    ]
