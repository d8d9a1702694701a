"""dbkit new"""

from __future__ import annotations

from typing import TextIO

import click

from dbkit.commands import Invocation, invocation, postgres_only, service_argument


@click.command("new")
@service_argument
@click.argument("name")
@click.option("--sql", type=click.File(encoding="utf-8"), metavar="FILE", help="The SQL of the migration; `-` reads standard input.")
@invocation
def command(call: Invocation, service: str, name: str, sql: TextIO | None) -> None:
    """Write the next migration, with its rollback beside it.

    \b
    With --sql the rollback is drafted from the parse tree; what the text can't tell is left as
    a line `-- TODO`, and a rollback of comments alone is refused by `dbkit migrate`.
    \b
    Example:  echo 'ALTER TABLE orders.orders ADD note text;' | dbkit new order add_note --sql -
    \b
    Exit codes: 0 written · 2 the SQL does not parse, or a file of the service is wrong
    """
    from dbkit.draft import write_migration

    postgres_only(call, service)
    draft = write_migration(call.project, service, name, sql.read() if sql else None)
    for path in (draft.migration, draft.rollback):
        call.output.event(service, "written", str(path.relative_to(call.project.root)))
    for line in draft.left:
        call.output.note(f"{service}: {line.removeprefix('-- ')}", style="yellow")
    if call.output.as_json:
        call.output.document(
            {"service": service, "migration": str(draft.migration), "rollback": str(draft.rollback), "left": list(draft.left)}
        )
