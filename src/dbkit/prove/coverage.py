"""Which statements of the project's functions the tests ran, by plpgsql_check's profiler.

A function in SQL has no statements to the profiler: its calls are counted, by the server's own statistics. Where the
planner puts such a function into its caller there is no call, so while coverage is measured each has a setting of its own,
which keeps it apart. Shared memory holds the profiles of 15,000 pieces of 30 statements (plpgsql_check drops the setting that
would raise it): a database that was read is forgotten.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.lint.parsed import Function, Sql
from dbkit.postgres.queries import sql
from dbkit.routines.made import find, made
from dbkit.source.files import load_migrations
from dbkit.source.repeatables import load_routines
from dbkit.source.templates import Origin

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Database
    from dbkit.source.script import Script

    Connection = psycopg.Connection[tuple[Any, ...]]

LIBRARY = "plpgsql_check"
SETTINGS = {"shared_preload_libraries": LIBRARY, "plpgsql_check.profiler": "on", "track_functions": "all"}
WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """What is counted in a function that begins at a line of a file: its calls, a statement, or a branch of one.

    A macro that makes a function is that file: what it makes several of has several functions that begin at one line.
    `statement` is the profiler's number, 0 for the function's calls; `branch` is empty but for a branch.
    """

    path: str
    begins: int
    function: str
    line: int
    statement: int = 0
    branch: str = ""


Coverage = Counter[Point]


@dataclass(frozen=True)
class Subject:
    """A function of the project, where its template makes it; `lines` are those of its body (at index 0 that of the opening quote)."""

    path: str
    begins: int
    function: str
    lines: tuple[int, ...]

    def point(self, line: int, statement: int = 0, branch: str = "") -> Point:
        """Return a point at a line of the body, counted as PL/pgSQL does; 0 is the function itself."""
        at = self.lines[min(line, len(self.lines)) - 1] if line else self.begins
        return Point(self.path, self.begins, self.function, at, statement, branch)


Subjects = Mapping[int, Subject]


def prepare(database: Database) -> Subjects:
    """Make a migrated database ready, forget what ran in it, and return its functions; copies of it have the same."""
    with database.connect("coverage", "superuser") as connection:
        subjects = _subjects(connection, database)
        connection.execute("CREATE EXTENSION IF NOT EXISTS plpgsql_check")
        for (statement,) in connection.execute(
            "SELECT format('ALTER ROUTINE %%s SET dbkit.coverage = %%L', p.oid::regprocedure, 'on') FROM pg_proc AS p"
            " INNER JOIN pg_language AS l ON p.prolang = l.oid AND l.lanname = 'sql' WHERE p.oid = ANY(%s)",
            [list(subjects)],
        ).fetchall():
            connection.execute(statement)
        _forget(connection, subjects)
    return subjects


def collect(database: Database, subjects: Subjects) -> Coverage:
    """Read what ran in a database since it was prepared or copied, once its sessions have ended, and forget it."""
    with database.connect("coverage", "superuser") as connection:
        _await_others(connection)
        rows = connection.execute(sql("executed").encode(), {"functions": list(subjects)}).fetchall()
        _forget(connection, subjects)
    found: Coverage = Counter()
    by_function: dict[int, list[_Ran]] = {}
    for oid, *row in rows:
        by_function.setdefault(oid, []).append(_Ran(*row))
    for oid, ran in by_function.items():
        found.update(dict(_points(subjects[oid], ran)))
    return found


def _forget(connection: Connection, subjects: Subjects) -> None:
    connection.execute(
        "SELECT plpgsql_profiler_reset(f.oid), pg_stat_reset_single_function_counters(f.oid) FROM unnest(%s::oid[]) AS f (oid)",
        [list(subjects)],
    )


def _await_others(connection: Connection) -> None:
    """Wait for sessions that are about to end: what a session called in SQL is counted when it does."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        row = connection.execute(others).fetchone()
        if not row or not row[0]:
            return
        time.sleep(0.02)


def _subjects(connection: Connection, database: Database) -> Subjects:
    """Find the functions that the project's own files make: a later file's replaces an earlier one's."""
    target = database.target
    major = connection.info.server_version // 10000
    routines = load_routines(target.project, target.service)
    scripts = [m.script for m in load_migrations(target.project, target.service)] + [r.script for r in routines if r.suits(major)]
    root = target.project.root
    named = [pair for s in scripts if root in s.path.parents and not s.is_large for pair in _functions(s, target.schema)]
    things = [thing for function, _ in named if (thing := made(function.statement))]
    keys = find(connection, things)
    return {key[1]: _subject(function, script, root) for key, (function, script) in zip(keys, named, strict=True) if key}


def _functions(script: Script, schema: str) -> Iterator[tuple[Function, Script]]:
    return ((function, script) for function in Sql(script.text, schema=schema).functions if function.name)


def _subject(function: Function, script: Script, root: Path) -> Subject:
    first = function.sql.line(function.body_offset)
    count = (function.body or "").count("\n") + 1
    begins = script.origin(function.statement.line)
    if root not in begins.path.parents:
        begins = Origin(script.path, _line_in(script.path, script, function.statement.line))
    lines = tuple(_line_in(begins.path, script, first + n) for n in range(count))
    return Subject(begins.path.relative_to(root).as_posix(), begins.line, function.name, lines)


def _line_in(path: Path, script: Script, line: int) -> int:
    """Return where a line of the rendering comes from in a file: of one that another file put there, the line before it."""
    origins = (script.origin(number) for number in range(line, 0, -1))
    return next((origin.line for origin in origins if origin.path == path), 1)


@dataclass(frozen=True, slots=True)
class _Ran:
    """A statement as the profiler has it: within the statement `parent`, in its part `note`, the `place`-th there."""

    number: int
    parent: int | None
    note: str
    place: int
    line: int
    kind: str
    count: int


def _points(subject: Subject, statements: Iterable[_Ran]) -> Iterator[tuple[Point, int]]:
    """Yield what is counted of a function. BEGIN is no statement; a branch was taken as often as its first statement ran."""
    by_number = {ran.number: ran for ran in statements}
    yield subject.point(0), by_number[min(by_number)].count
    for ran in by_number.values():
        if ran.line and ran.kind != "statement block":
            yield subject.point(ran.line, ran.number), ran.count
        branches = [child for child in by_number.values() if child.parent == ran.number and child.place == 1 and child.note != "body"]
        for child in branches:
            yield subject.point(ran.line, ran.number, child.note), child.count
        if ran.kind == "IF" and not any(child.note == "else body" for child in branches):
            taken = sum(child.count for child in branches)
            yield subject.point(ran.line, ran.number, "no branch"), max(ran.count - taken, 0)
