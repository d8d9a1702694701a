"""Example data, a file a transaction, as the owner."""

from __future__ import annotations

from dbkit.errors import DbkitError
from dbkit.postgres import journal
from dbkit.postgres.connect import SESSION, Database, authority
from dbkit.postgres.script import ScriptError, explain, send
from dbkit.source.repeatables import load_seeds


def seed(database: Database) -> list[str]:
    """Send every seed of the service and return their file names.

    Raises DbkitError at the template's line; that file's transaction is rolled back.
    """
    target = database.target
    scripts = load_seeds(target.project, target.service)
    if not scripts:
        return []
    with database.connect("seed") as connection:
        who = authority(connection, target)
        if journal.version(connection) == 0:
            raise DbkitError(f"{target.service} is not migrated yet", hint=f"dbkit migrate {target.service}")
    with database.connect("seed", role=who.owner, **SESSION) as connection:
        for script in scripts:
            connection.execute("BEGIN")
            try:
                send(connection, script.text)
            except ScriptError as exc:
                connection.execute("ROLLBACK")
                raise explain(exc, script.text, script, doing=f"seed {script.path.name} failed") from exc.cause
            connection.execute("COMMIT")
    return [script.path.name for script in scripts]
