"""dbkit verify"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from dbkit.commands import Invocation, invocation, postgres_only, services_argument, url_option
from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database
    from dbkit.redis.connect import Store
    from dbkit.verify import Difference

SHOWN = 6  # statements of one difference; the script has them all


@click.command("verify")
@services_argument
@click.option("--fingerprint", "cheap", is_flag=True, help="Only compare the catalog's fingerprint with that of the last run: no rebuild.")
@click.option("--journal", "chain", is_flag=True, help="Only check the journal: the first row that was edited, or a tail that was cut.")
@click.option("--head", metavar="HASH", help="With --journal: the head that an earlier `dbkit migrate` printed.")
@click.option("--sql", "as_script", is_flag=True, help="Print only the SQL that ends the drift of one SERVICE, as one script for psql.")
@click.option("--strict", is_flag=True, help="Exit with 1, too, where something could not be compared.")
@click.option("--heal", is_flag=True, help="Load the scripts of a Redis service's last release again where they are missing.")
@url_option
@invocation
def command(
    call: Invocation,
    services: tuple[str, ...],
    head: str | None,
    url: str | None,
    *,
    cheap: bool,
    chain: bool,
    as_script: bool,
    strict: bool,
    heal: bool,
) -> None:
    """Compare the live schema with a rebuild from migrations and routines, object by object.

    \b
    The rebuild is made on a throw-away server; the target is only read, so a standby will do.
    What differs is named with what was expected, what was found, where it was made, and the
    SQL that puts it right. What the throw-away server can't have is listed as unknown.
    \b
    Example:  dbkit verify order
              dbkit verify order --sql | dbkit psql order
    \b
    Exit codes: 0 as it should be · 1 drift, or a journal that was edited · 3 a target can't be reached
    """
    if head and not chain:
        raise ConfigurationError("--head belongs to --journal", hint="dbkit verify SERVICE --journal --head HASH")
    if as_script:
        _script(call, services, url)
        return
    found: list[dict[str, Any]] = []
    with call.reach(services, url) as reached:
        for place in reached:
            found.append(_one(call, place, head, cheap=cheap, chain=chain, heal=heal))
    if call.output.as_json:
        call.output.document({"services": found})
    if any(entry["problems"] or (strict and entry.get("unknown")) for entry in found):
        raise click.exceptions.Exit(1)


def _script(call: Invocation, services: tuple[str, ...], url: str | None) -> None:
    """Print the script that ends the drift; nothing where there is none."""
    from dbkit.verify import verify

    if len(services) != 1 or call.output.as_json:
        raise ConfigurationError(
            "--sql prints the script of one service", hint="dbkit verify SERVICE --sql; --format json has it as `repair`"
        )
    postgres_only(call, services[0])
    with call.reach_database(services[0], url) as database, call.output.progress("comparing"):
        verdict = verify(database, lambda _text: None)
    click.echo(verdict.repair, nl=False)
    if verdict.differences:
        raise click.exceptions.Exit(1)


def _one(call: Invocation, place: Database | Store, head: str | None, *, cheap: bool, chain: bool, heal: bool) -> dict[str, Any]:
    from dbkit.redis.connect import Store

    if isinstance(place, Store):
        return _scripts(call, place, heal=heal)
    if chain:
        return _journal(call, place, head)
    if cheap:
        return _fingerprint(call, place)
    return _drift(call, place)


def _drift(call: Invocation, database: Database) -> dict[str, Any]:
    from dbkit.verify import verify
    from dbkit.verify.repair import text

    with call.output.progress(f"{database.name}: reading the catalog") as progress:
        verdict = verify(database, lambda said: progress.update(f"{database.name}: {said}"))
    for difference in verdict.differences:
        _tell(call, database.name, difference)
    for unknown in verdict.unknown:
        call.output.event(database.name, "unknown", unknown.object, note=unknown.why)
    for note in verdict.notes:
        call.output.note(f"{database.name}: {note}")
    if verdict.differences:
        call.output.note(f"{database.name}: `dbkit verify {database.name} --sql` prints one script that puts all of it right")
    else:
        beside = f"beside {len(verdict.unknown)} unknown" if verdict.unknown else ""
        call.output.event(database.name, "no drift", f"{verdict.objects} objects", note=beside)
    return {
        "service": database.name,
        "objects": verdict.objects,
        "target": verdict.target,
        "rebuilt_on": verdict.rebuilt_on,
        "notes": verdict.notes,
        "repair": verdict.repair,
        "unknown": [{"object": unknown.object, "why": unknown.why} for unknown in verdict.unknown],
        "problems": [
            {
                "object": d.object,
                "kind": d.kind,
                "verdict": d.verdict,
                "made_by": d.made_by,
                "details": {name: {"expected": pair[0], "found": pair[1]} for name, pair in d.details.items()},
                "repair": "\n".join(map(text, d.repair)),
            }
            for d in verdict.differences
        ],
    }


def _tell(call: Invocation, service: str, difference: Difference) -> None:
    made = f"made by {difference.made_by.partition('/')[2]}" if difference.made_by else ""
    call.output.event(service, difference.verdict, f"{difference.kind} {difference.object}", note=made)
    for name, (expected, found) in difference.details.items():
        if "\n" in expected + found:
            call.output.line(f"{'':11}{name}:")
            lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=1)
            for line in lines:
                call.output.line(f"{'':15}{line}")
        else:
            call.output.line(f"{'':11}{name}: expected {expected}; found {found}")
    _tell_repair(call, difference)


def _tell_repair(call: Invocation, difference: Difference) -> None:
    """Write the statements, long ones by their first line: the script has the rest."""
    from dbkit.verify.repair import text

    for step in difference.repair[:SHOWN]:
        *warning, statement = text(step).split("\n", 1) if step.loses else [text(step)]
        for line in warning:
            call.output.line(f"{'':11}{line}", style="red")
        first, _, more = statement.partition("\n")
        left = f"  … {more.count(chr(10)) + 1} lines more" if more else ""
        call.output.line(f"{'':11}{first}{left}", style="cyan")
    if len(difference.repair) > SHOWN:
        call.output.line(f"{'':11}… {len(difference.repair) - SHOWN} statements more", style="cyan")


def _fingerprint(call: Invocation, database: Database) -> dict[str, Any]:
    from dbkit.postgres import catalog, journal
    from dbkit.postgres.connect import authority
    from dbkit.verify import READING

    with database.connect("verify", **READING) as connection:
        last = journal.last_fingerprint(connection, database.service)
        owner = authority(connection, database.target).owner
        now = catalog.fingerprint(connection, catalog.schemas_of(connection, database.target.schema, owner))
    if last is None:
        state, problem = "unknown", "no run has recorded a fingerprint yet"
    elif not catalog.comparable(last, now):
        state, problem = "unknown", f"not comparable: {last.rpartition(':')[0]} was recorded, and this is {now.rpartition(':')[0]}"
    else:
        state, problem = ("no drift", "") if last == now else ("drift", f"`dbkit verify {database.name}` names what")
    call.output.event(database.name, state, now, note=problem)
    return {
        "service": database.name,
        "state": state,
        "fingerprint": now,
        "recorded": last,
        "problems": [problem] if state == "drift" else [],
    }


def _journal(call: Invocation, database: Database, head: str | None) -> dict[str, Any]:
    from dbkit.postgres import journal

    problem, last = "", ""
    with database.connect("verify") as connection:
        if journal.version(connection):
            broken = journal.broken_link(connection)
            last = journal.head(connection)
            if broken:
                problem = f"row {broken[0]} ({broken[1]}) is not as it was written, or the row before it is gone"
            elif head and not journal.has_head(connection, head):
                problem = "the row with that head is not there: the tail was cut"
    call.output.event(database.name, "edited" if problem else "unbroken", "journal", note=problem or f"head {last}")
    return {"service": database.name, "head": last, "problems": [problem] if problem else []}


def _scripts(call: Invocation, store: Store, *, heal: bool) -> dict[str, Any]:
    from dbkit.redis import migrate
    from dbkit.redis.scripts import load_scripts, loaded
    from dbkit.report.redis import Teller

    project = store.target.project
    scripts = load_scripts(project, store.service)
    with store.connect() as client, call.output.progress(f"{store.name}: comparing files and server") as progress:
        if heal:
            migrate.heal(store, client, call.run().as_fields, Teller(call.output, store.name, progress))
        found = loaded(client, project, store.service, scripts)
    missing = [*found.missing, *(["the function library, or it is another"] if found.library is False else [])]
    problem = f"missing: {', '.join(missing)}" if missing else ""
    call.output.event(store.name, "drift" if problem else "no drift", problem or _scripts_of(len(scripts)))
    return {"service": store.name, "problems": [problem] if problem else []}


def _scripts_of(number: int) -> str:
    return f"{number} script{'' if number == 1 else 's'}"
