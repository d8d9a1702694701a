"""dbkit test"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, invocation, services_argument

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database
    from dbkit.project.manifest import Environment
    from dbkit.project.target import Target
    from dbkit.prove import TestResult
    from dbkit.prove.coverage import Coverage


@click.command("test")
@services_argument
@click.option(
    "--coverage", "report", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write what the tests ran, as lcov."
)
@invocation
def command(call: Invocation, services: tuple[str, ...], report: Path | None) -> None:
    """Run the project's SQL tests on a throw-away server, migrated and seeded.

    Tests are blocks in tests/SERVICE/*.sql: `-- test: what holds`, then SQL whose last
    statement returns no rows, or `-- raises: SQLSTATE`. Each is rolled back. Before them
    every migration goes up, down and up again; each rollback must bring back the catalog
    of before. --coverage needs a server with plpgsql_check, and takes another version than
    the target's where only that one has it.

    \b
    Example:  dbkit test order
    \b
    Exit codes: 0 every test passed · 1 a test or a migration failed · 2 a file is wrong
    """
    from dbkit.postgres.connect import Database
    from dbkit.postgres.roles import prepare_cluster
    from dbkit.postgres.throwaway import throwaway_server

    for service in services:
        call.project.service(service)
    targets = [target for target in call.services(services) if target.engine == "postgres"]
    settings, more = _settings(call, targets), {}
    coverage: Coverage | None = None
    if report:
        from collections import Counter

        from dbkit.prove.coverage import SETTINGS

        settings, more, coverage = _with_profiler(call, settings), SETTINGS, Counter()
    results: list[TestResult] = []
    with call.output.progress("starting a throw-away server") as progress, throwaway_server(settings, **more) as server:
        prepare_cluster(server.conninfo("postgres"), call.project, [target.service for target in targets])
        for target in targets:
            database = Database(_local(target), server)
            progress.update(f"{target.service}: up, down, up")
            _prove(call, database)
            progress.update(f"{target.service}: testing")
            results += _test(call, database, coverage)
    if report and coverage is not None:
        _write(call, report, coverage)
    failed = [result for result in results if not result.passed]
    if call.output.as_json:
        call.output.document({"tests": [_document(result) for result in results]})
    else:
        call.output.line(f"{len(results) - len(failed)} passed, {len(failed)} failed", style="bold red" if failed else "green")
    if failed:
        raise click.exceptions.Exit(1)


def _settings(call: Invocation, targets: list[Target]) -> Environment:
    """Choose the server: of the target's major, or the next higher one that is here; an embedded target says it itself."""
    from dbkit.errors import UnreachableError
    from dbkit.postgres.connect import Database
    from dbkit.postgres.throwaway import settings_for
    from dbkit.project.target import environment_of

    _, settings = environment_of(call.project, call.environment)
    elsewhere = [target for target in targets if target.url]
    if not elsewhere:
        return settings
    try:
        with Database(elsewhere[0]).connect("test") as connection:
            target = connection.info.server_version // 10000
    except UnreachableError as exc:
        call.output.note(f"{exc.message}: its major is not known, so the tests run on the manifest's", style="yellow")
        return settings
    chosen, major = settings_for(target, settings)
    if major != target:
        call.output.note(f"the target is PostgreSQL {target}, the tests run on PostgreSQL {major}: there is no {target} here")
    return chosen


def _with_profiler(call: Invocation, settings: Environment) -> Environment:
    """Choose a server that can say which statements ran."""
    from dbkit.postgres.throwaway import settings_with
    from dbkit.prove.coverage import LIBRARY

    chosen, major = settings_with(LIBRARY, settings)
    call.output.note(f"coverage is measured on PostgreSQL {major}")
    return chosen


def _write(call: Invocation, path: Path, coverage: Coverage) -> None:
    from dbkit.prove.lcov import lcov

    path.write_text(lcov(coverage), encoding="utf-8")
    counts = [count for point, count in coverage.items() if point.statement and not point.branch]
    call.output.line(f"{sum(map(bool, counts))} of {len(counts)} statements ran: {path}")


def _local(target: Any) -> Any:
    """Return the target as it is on the throw-away server: no URL."""
    from dataclasses import replace

    return replace(target, url=None, migrate_url=None)


def _prove(call: Invocation, database: Database) -> None:
    from dbkit.prove import prove_rollbacks

    started = time.monotonic()
    fixed = prove_rollbacks(database, call.run())
    note = f"not behind {fixed}, which is irreversible" if fixed else ""
    call.output.event(database.service, "passed", "migrations up, down, up", time.monotonic() - started, note)


def _test(call: Invocation, database: Database, coverage: Coverage | None) -> list[TestResult]:
    from dbkit.prove import load_sql_tests, run_sql_test
    from dbkit.prove.coverage import collect, prepare

    tests = load_sql_tests(database.service, call.project.folder(database.service, "tests"))
    owner = database.target.role("owner")
    subjects = prepare(database) if coverage is not None else {}
    started = time.monotonic()
    results = [run_sql_test(database, owner, test) for test in tests]
    if coverage is not None:
        coverage.update(collect(database, subjects))
    for result in results:
        if not result.passed:
            call.output.event(database.service, "failed", result.test.claim)
            call.output.line(f"{'':10} {result.test.path}:{result.test.line}")
            call.output.line(f"{'':10} {result.problem}")
    passed = sum(result.passed for result in results)
    if passed:
        call.output.event(database.service, "passed", f"{passed} SQL test{'' if passed == 1 else 's'}", time.monotonic() - started)
    return results


def _document(result: TestResult) -> dict[str, Any]:
    return {
        "service": result.test.service,
        "claim": result.test.claim,
        "file": str(result.test.path),
        "line": result.test.line,
        "passed": result.passed,
        "problem": result.problem,
        "seconds": round(result.seconds, 4),
    }
