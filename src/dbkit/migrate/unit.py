"""The unit of work: one script and its mark, in one transaction on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.postgres import script
from dbkit.postgres.collect import collected
from dbkit.postgres.connect import server_error
from dbkit.postgres.session import OURS, Session, end
from dbkit.source import lexer, statements
from dbkit.source.blocks import Block
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
    before: Callable[[], None] | None = None,
    after: Callable[[], None] | None = None,
    mark: Callable[[], object],
) -> float:
    """Run a script and write its mark; there is no moment at which one is in and the other not.

    `text` is None where the source is large: it is sent in blocks. `before` works in the transaction ahead of the script, as the
    owner; `after` and `mark` behind it, as the session's own role. Without `before`, what opens the transaction goes out with the
    script; what `mark` sends goes out with the COMMIT, and is put together while the server works, where there is no `after` to
    wait for. Returns the seconds it took. Raises DbkitError at the template's line; the transaction is rolled back.
    """
    import psycopg

    started, sent = time.monotonic(), False
    connection = session.connection
    try:
        work = _Work(session, name, before, after, mark)
        if text is None:
            assert source is not None  # noqa: S101 a large text is a file's
            work.begin()
            script.send_blocks(connection, source.blocks(Tokens()))
        text = statements.strip_restrict(text or "")
        sent = True
        if not work.run(text):
            raise _left_transaction(
                f"{name} ended dbkit's transaction: what it did before that may be committed, and is not marked", source
            )
        work.commit()
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


@dataclass(slots=True)
class _Work:
    """The transaction of a script: `began` is its id, `marks` what goes out with the COMMIT."""

    session: Session
    name: str
    before: Callable[[], None] | None
    after: Callable[[], None] | None
    mark: Callable[[], object]
    began: str | None = None
    marks: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.began = self.session.begin(self.name)
        if self.before:
            self.before()

    def run(self, text: str) -> bool:
        """Send the script, or the last of it, and what undoes what it did to the session; say whether the transaction is still the same."""
        whole = f"{text}\n;{self.session.ending}; SELECT pg_catalog.pg_current_xact_id_if_assigned()"
        if self.began or self.before or self.session.pooled or lexer.may_copy(text):
            if not self.began:
                self.begin()
            results = script.send_blocks(self.session.connection, self._then_marks(script.in_blocks(whole)))
        else:
            opening = self.session.opening(self.name)
            message = Block("sql", "; ".join([*opening, whole]), 1)
            results = script.send_blocks(self.session.connection, self._then_marks([message]), done=-len(opening))
            self.began = script.value(results[len(opening) - 1])
        return script.value(results[-1]) == self.began

    def _then_marks(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the blocks, and put the marks together while the server works on the last."""
        yield from blocks
        if not self.after:
            self._prepare()

    def _prepare(self) -> None:
        with collected(self.session.connection) as found:
            self.mark()
        self.marks += found

    def commit(self) -> None:
        if self.after:
            self.after()
            self._prepare()
        self.session.connection.execute("; ".join([OURS, *self.marks, "COMMIT"]).encode())


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
