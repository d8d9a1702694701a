"""The unit of work: one script and its mark, in one transaction on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.postgres import script
from dbkit.postgres.connect import server_error
from dbkit.postgres.session import Session, end
from dbkit.source import statements

if TYPE_CHECKING:
    from dbkit.source.files import Script


def run_in_transaction(
    session: Session,
    *,
    name: str,
    text: str,
    source: Script | None,
    before: Callable[[], None],
    mark: Callable[[], None],
) -> float:
    """Run a script and write its mark; there is no moment at which one is in and the other not.

    `before` works in the transaction ahead of the script, as the owner; `mark` after it, as
    the session's own role. Returns the seconds it took. Raises DbkitError at the template's
    line; the transaction is rolled back.
    """
    import psycopg

    started = time.monotonic()
    text = statements.strip_restrict(text)
    connection = session.connection
    try:
        session.begin()
        transaction = connection.execute("SELECT pg_current_xact_id()").fetchone()
        before()
        script.send(connection, text)
        if connection.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() != transaction:
            raise _left_transaction(name)
        session.restore()
        mark()
        connection.execute("COMMIT")
    except script.ScriptError as exc:
        end(connection)
        raise script.explain(exc, text, source, doing=f"{name} failed", hint=_hint) from exc.cause
    except psycopg.Error as exc:
        end(connection)
        raise server_error(exc, doing=f"{name} failed at its end", where=str(source.path) if source else None, hint=_hint) from exc
    except BaseException:
        end(connection)
        raise
    session.renew()
    return time.monotonic() - started


def _left_transaction(name: str) -> DbkitError:
    return DbkitError(
        f"{name} ended dbkit's transaction: what it did before that is committed, and not marked",
        hint="find the COMMIT or ROLLBACK that it runs, undo by hand what was committed, then run it again",
    )


def _hint(sqlstate: str | None) -> str | None:
    return {
        "55P03": "another session holds the lock for longer than lock_timeout: try again, or end that session",
        "40P01": "try again: the server ended this transaction to break a deadlock",
        "42501": "the owner role may not do this; what needs a superuser is not a migration",
        "55P04": "a new enum label can be used only after its transaction: use it in the next migration",
    }.get(sqlstate or "", "nothing of it was applied: mend the file and run `dbkit migrate` again")
