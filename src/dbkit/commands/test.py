"""dbkit test"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, invocation, services_argument

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database
    from dbkit.project.manifest import Environment
    from dbkit.project.target import Target
    from dbkit.prove import TestResult


@click.command("test")
@services_argument
@invocation
def command(call: Invocation, services: tuple[str, ...]) -> None:
    """Run the project's SQL tests on a throw-away server, migrated and seeded.

    Tests are blocks in tests/SERVICE/*.sql: `-- test: what holds`, then SQL whose last
    statement returns no rows, or `-- raises: SQLSTATE`. Each is rolled back. Before them
    every migration goes up, down and up again.

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
    targets = [target for target in call.targets(services) if target.engine == "postgres"]
    settings = _settings(call, targets)
    results: list[TestResult] = []
    with call.output.progress("starting a throw-away server") as progress, throwaway_server(settings) as server:
        prepare_cluster(server.conninfo("postgres"), call.project, [target.service for target in targets])
        for target in targets:
            database = Database(_local(target), server)
            progress.update(f"{target.service}: up, down, up")
            _prove(call, database)
            progress.update(f"{target.service}: testing")
            results += _test(call, database)
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


def _local(target: Any) -> Any:
    """Return the target as it is on the throw-away server: no URL."""
    from dataclasses import replace

    return replace(target, url=None, migrate_url=None)


def _prove(call: Invocation, database: Database) -> None:
    """Take every migration up, down and up again, then deploy and seed."""
    from dbkit.maintain.seed import seed
    from dbkit.migrate import migrate, rollback
    from dbkit.prove import refuse_differences, refuse_leftovers, snapshot
    from dbkit.source.files import load_migrations

    started = time.monotonic()
    run = call.run()
    migrate(database, run, lambda _event: None)
    up = snapshot(database)
    seed(database)
    irreversible = [m.name for m in load_migrations(call.project, database.service) if m.irreversible]
    if not irreversible:
        rollback(database, run, lambda _event: None, to="0", steps=None)
        refuse_leftovers(database)
        migrate(database, run, lambda _event: None)
        refuse_differences(database, up, snapshot(database))
        seed(database)
    note = f"not down: {irreversible[0]} is irreversible" if irreversible else ""
    call.output.event(database.service, "passed", "migrations up, down, up", time.monotonic() - started, note)


def _test(call: Invocation, database: Database) -> list[TestResult]:
    from dbkit.prove import load_sql_tests, run_sql_test

    tests = load_sql_tests(database.service, call.project.folder(database.service, "tests"))
    owner = database.target.role("owner")
    started = time.monotonic()
    results = [run_sql_test(database, owner, test) for test in tests]
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
