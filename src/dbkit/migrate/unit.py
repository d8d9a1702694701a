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
from dbkit.source.checksum import Tokens

if TYPE_CHECKING:
    import psycopg

    from dbkit.source.script import Script


def run_in_transaction(
    session: Session,
    *,
    name: str,
    text: str | None,
    source: Script | None,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
    mark: Callable[[], None],
) -> float:
    """Run a script and write its mark; there is no moment at which one is in and the other not.

    `text` is None where the source is large: it is sent in blocks. `before` works in the transaction ahead of the script, as the
    owner; `after` and `mark` behind it, as the session's own role; what `mark` sends goes out at once with the COMMIT.
    Returns the seconds it took. Raises DbkitError at the template's line; the transaction is rolled back.
    """
    import psycopg

    started, sent = time.monotonic(), False
    connection = session.connection
    try:
        transaction = session.begin()
        before()
        ending = f"{session.ending}; SELECT pg_current_xact_id_if_assigned()"
        if text is None:
            assert source is not None  # noqa: S101 a large text is a file's
            script.send_blocks(connection, source.blocks(Tokens()))
        else:
            text = statements.strip_restrict(text)
            ending = f"{text}\n;{ending}"
        sent = True
        if script.send(connection, ending) != transaction:
            raise _left_transaction(
                f"{name} ended dbkit's transaction: what it did before that may be committed, and is not marked", source
            )
        after()
        with connection.pipeline():
            mark()
            connection.execute("COMMIT")
    except script.ScriptError as exc:
        end(connection)
        if sent and exc.done >= len(statements.parse_known(text or "")):
            raise _at_its_end(exc.cause, name, source) from exc.cause
        raise script.explain(exc, text, source, doing=f"{name} failed", hint=_hint) from exc.cause
    except script.CommittedError as exc:
        end(connection)
        raise _left_transaction(f"{name}: {exc.message}", source) from exc
    except psycopg.Error as exc:
        end(connection)
        raise _at_its_end(exc, name, source) from exc
    except BaseException:
        end(connection)
        raise
    return time.monotonic() - started


def _at_its_end(exc: psycopg.Error, name: str, source: Script | None) -> DbkitError:
    return server_error(exc, doing=f"{name} failed at its end", where=str(source.path) if source else None, hint=_hint)


def _left_transaction(message: str, source: Script | None) -> DbkitError:
    return DbkitError(
        message,
        where=str(source.path) if source else None,
        hint="find the COMMIT or ROLLBACK that it runs, undo by hand what was committed, then run it again",
    )


def _hint(sqlstate: str | None) -> str | None:
    return {
        "55P03": "another session holds the lock for longer than lock_timeout: try again, or end that session",
        "25006": "the script made its transaction read-only, so that its mark could not be written: take that out",
        "40P01": "try again: the server ended this transaction to break a deadlock",
        "42501": "the owner role may not do this; what needs a superuser is not a migration",
        "55P04": "a new enum label can be used only after its transaction: use it in the next migration",
    }.get(sqlstate or "", "nothing of it was applied: mend the file and run `dbkit migrate` again")
