"""The unit of work: one script and its mark, in one transaction on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.postgres import script
from dbkit.postgres.collect import collected
from dbkit.postgres.connect import server_error
from dbkit.postgres.session import Session, end
from dbkit.source import statements

if TYPE_CHECKING:
    import psycopg

    from dbkit.source.files import Script


def run_in_transaction(
    session: Session,
    *,
    name: str,
    text: str,
    source: Script | None,
    before: Callable[[], None] | None = None,
    after: Callable[[], None] | None = None,
    mark: Callable[[], object],
) -> float:
    """Run a script and write its mark; there is no moment at which one is in and the other not.

    `before` works in the transaction ahead of the script, as the owner; `after` and `mark` behind it, as the session's own
    role. Without `before`, what opens the transaction goes out with the script; what `mark` sends goes out with the COMMIT
    and is put together while the server works, where there is no `after` to wait for. Returns the seconds it took. Raises
    DbkitError at the template's line; the transaction is rolled back.
    """
    import psycopg

    started = time.monotonic()
    text = statements.strip_restrict(text)
    connection = session.connection
    try:
        _run(session, name, text, before, after, mark)
    except script.ScriptError as exc:
        end(connection)
        if exc.done >= len(statements.parse(text)):
            raise _at_its_end(exc.cause, name, source) from exc.cause
        raise script.explain(exc, text, source, doing=f"{name} failed", hint=_hint) from exc.cause
    except psycopg.Error as exc:
        end(connection)
        raise _at_its_end(exc, name, source) from exc
    except BaseException:
        end(connection)
        raise
    return time.monotonic() - started


def _run(
    session: Session,
    name: str,
    text: str,
    before: Callable[[], None] | None,
    after: Callable[[], None] | None,
    mark: Callable[[], object],
) -> None:
    connection = session.connection
    marks: list[str] = []

    def prepare() -> None:
        with collected(connection) as found:
            mark()
        marks.extend(found)

    meanwhile = prepare if after is None else lambda: None
    whole = f"{text}\n;{session.ending}; SELECT pg_current_xact_id_if_assigned()"
    if before is None and not session.pooled:
        began, ended = script.send_all(connection, session.opening, whole, meanwhile)
    else:
        began = session.begin()
        if before is not None:
            before()
        ended = script.send(connection, whole, meanwhile)
    if began != ended:
        raise _left_transaction(name)
    if after is not None:
        after()
        prepare()
    connection.execute("; ".join([*marks, "COMMIT"]).encode())


def _at_its_end(exc: psycopg.Error, name: str, source: Script | None) -> DbkitError:
    return server_error(exc, doing=f"{name} failed at its end", where=str(source.path) if source else None, hint=_hint)


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
