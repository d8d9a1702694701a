"""The SQL checks, sent ad hoc in one pipeline: installed functions or not, standby or primary."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from dbkit.health.judge import Finding, Measurement, judge, unknown
from dbkit.postgres.connect import Database
from dbkit.postgres.queries import sql
from dbkit.source.checks import Check, load_checks
from dbkit.source.files import names

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

GUARDS = {"statement_timeout": "5000", "lock_timeout": "1000", "search_path": "pg_catalog", "default_transaction_read_only": "on"}
MISSING_PRIVILEGE = "42501"


def check_postgres(database: Database) -> list[Finding]:
    """Run every check that applies. A check that fails is unknown, the rest stand."""
    target = database.target
    project = target.project
    checks = load_checks(project.root, names(project, target.service))
    overrides = project.manifest.health.thresholds
    with database.connect("health", "superuser" if database.server else "migrator", **GUARDS) as connection:
        wanted = _applicable(connection, checks)
        answers = _pipeline(connection, [check.query for check in wanted])
    findings: list[Finding] = []
    for check, answer in zip(wanted, answers, strict=True):
        if isinstance(answer, str):
            findings += unknown(target.name, check, answer)
        else:
            findings += judge(target.name, check, answer, overrides)
    return findings


def _applicable(connection: psycopg.Connection[tuple[Any, ...]], checks: list[Check]) -> list[Check]:
    """Leave out what this server can't have: newer features, extensions, relations of other services."""
    major = connection.info.server_version // 10000
    extensions = {row[0] for row in connection.execute("SELECT extname FROM pg_extension").fetchall()}
    relations = sorted({check.requires_relation for check in checks if check.requires_relation})
    # asked of the catalog: to_regclass raises where a schema may not be used
    rows = connection.execute(sql("relations_there").encode(), [relations]).fetchall()
    there = {row[0] for row in rows}
    return [
        check
        for check in checks
        if check.server <= major
        and (check.requires_extension is None or check.requires_extension in extensions)
        and (check.requires_relation is None or check.requires_relation in there)
    ]


def _pipeline(connection: psycopg.Connection[tuple[Any, ...]], queries: list[str]) -> list[list[Measurement] | str]:
    """Send all queries with a Sync after each, and return rows or an error text for each."""
    from psycopg import generators

    pgconn = connection.pgconn
    commands: deque[Any] = deque()
    for query in queries:
        commands.append(partial(pgconn.send_query_params, query.encode(), None))
        commands.append(pgconn.pipeline_sync)
    pgconn.enter_pipeline_mode()
    try:
        results = connection.wait(generators.pipeline_communicate(pgconn, commands))
        while len(results) < 2 * len(queries):  # what had not arrived when the last one was sent
            results.append(connection.wait(generators.fetch_many(pgconn)))
    finally:
        pgconn.exit_pipeline_mode()
    return [_answer(result[0]) for result in results[::2]]


def _answer(result: PGresult) -> list[Measurement] | str:
    from psycopg import errors
    from psycopg.pq import ExecStatus

    if result.status != ExecStatus.TUPLES_OK:
        error = errors.error_from_result(result)
        text = error.diag.message_primary or str(error)
        return f"{text}; GRANT pg_monitor TO this role shows it" if error.sqlstate == MISSING_PRIVILEGE else text
    return [
        Measurement(
            object=(result.get_value(row, 0) or b"").decode(),
            value=float(value) if (value := result.get_value(row, 1)) is not None else None,
            detail=(result.get_value(row, 2) or b"").decode(),
        )
        for row in range(result.ntuples)
    ]
