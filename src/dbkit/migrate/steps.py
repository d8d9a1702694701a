"""A migration without a transaction: statement by statement, each journalled, resumed where a run ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.migrate.engine import Engine
from dbkit.migrate.settle import settle
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal, script
from dbkit.postgres.queries import sql
from dbkit.postgres.session import end, name_session
from dbkit.source import objections, statements
from dbkit.source.checksum import token_hash

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.journal import Step
    from dbkit.source.script import Script
    from dbkit.source.statements import Statement


NOT_THERE = {"42704", "42P01", "3D000"}  # no such object, table, database


@dataclass(frozen=True, slots=True)
class Steps:
    """One side of a migration that runs statement by statement.

    `before` clears the way of a statement within its transaction and returns what it dropped; `after` records in it what
    became of the routines, and returns which of them are gone.
    """

    work: Engine
    id: str
    source: Script | None
    parsed: Sequence[Statement]
    direction: Literal["up", "down"]
    before: Callable[[Statement], list[str]]
    after: Callable[[], list[str]]

    def execute(self) -> tuple[float, list[str]]:
        """Run what is not done yet; return the seconds it took and the routines that stood in the way.

        Raises ConfigurationError where what is done already was edited since.
        """
        started = time.monotonic()
        known = journal.steps(self.work.watcher, self.id, self.direction)
        digests = [token_hash(statement.text) for statement in self.parsed]
        done = {step.number: step.checksum for step in known if step.event == "done"}
        self._refuse_edited(done, digests)
        if known:
            self.work.tell("resumed", self.id, f"after statement {max(done, default=0)} of {len(self.parsed)}")
        else:
            journal.append(self.work.watcher, self.work.run, "started", "migration", self.id, detail={"direction": self.direction})
        pending = {step.number: step for step in known if step.event == "intended" and step.number not in done}
        dropped: list[str] = []
        for number, (statement, digest) in enumerate(zip(self.parsed, digests, strict=True), 1):
            if number in done or self._was_done(number, pending.get(number), digest):
                continue
            if objections.runs_bare(statement):
                self._alone(number, statement, digest)
            else:
                dropped += self._in_transaction(number, statement, digest)
        return time.monotonic() - started, dropped

    def _refuse_edited(self, done: dict[int, str], digests: list[str]) -> None:
        for number, digest in sorted(done.items()):
            if number > len(digests) or digests[number - 1] != digest:
                raise ConfigurationError(
                    f"{self.id}: statement {number} was run already, and is not the same any more",
                    where=self._where(self.parsed[min(number, len(self.parsed)) - 1]),
                    hint=f"bring it back as it was; what comes after statement {max(done)} may be edited",
                )

    def _was_done(self, number: int, intent: Step | None, digest: str) -> bool:
        """Settle a statement that was begun, and whose end nobody saw."""
        if intent is None or intent.again or intent.text is None:
            return False
        (begun,) = statements.parse_known(intent.text)
        outcome = settle(self.work.connection, begun, self.id)
        self.work.tell("settled", self.id, f"statement {number}: {outcome.note}")
        if outcome.is_done and intent.checksum != digest:
            raise ConfigurationError(
                f"{self.id}: statement {number} finished as it was before it was edited",
                hint=f"bring it back as it was, and write the change as a statement of its own after it: {begun.text}",
            )
        if outcome.is_done:
            self._done(self.work.watcher, number, digest, settled=outcome.note)
        return outcome.is_done

    def _done(self, connection: psycopg.Connection[tuple[Any, ...]], number: int, digest: str, settled: str | None = None) -> None:
        """Journal the end of a statement; on the connection whose transaction it was, where it had one."""
        detail = {"direction": self.direction} | ({"settled": settled} if settled else {})
        journal.append(
            connection,
            self.work.run,
            "done",
            "migration",
            self.id,
            statement=number,
            checksum=digest,
            detail=detail,
        )

    def _in_transaction(self, number: int, statement: Statement, digest: str) -> list[str]:
        """Run a statement together with the mark of its end: it never has to be settled."""
        dropped: list[str] = []

        def clear() -> None:
            dropped[:] = self.before(statement)

        def record() -> None:
            dropped.extend(name for name in self.after() if name not in dropped)

        def mark() -> None:
            self._done(self.work.connection, number, digest)
            for routine in dropped:
                journal.append(self.work.connection, self.work.run, "dropped", "routine", routine)

        self.work.persist(
            self.id,
            lambda: run_in_transaction(
                self.work.session,
                name=self._name(number),
                text=self._padded(statement),
                source=self.source,
                before=clear,
                after=record,
                mark=mark,
            ),
            is_in=lambda: self._is_done(number),
        )
        return dropped

    def _alone(self, number: int, statement: Statement, digest: str) -> None:
        """Run a statement that PostgreSQL refuses within a transaction: its intent before it, its end after it."""
        self._warn_of_snapshots(statement)
        self._intend(number, statement, digest)
        attempts = 0

        def once() -> None:
            nonlocal attempts
            attempts += 1
            is_asked_first = statement.kind == "index_stmt" and statement.node.if_not_exists
            if (is_asked_first or attempts > 1) and settle(self.work.connection, statement, self.id).is_done:
                return
            self._send(number, statement)

        try:
            self.work.persist(self.id, once)
        except DbkitError as exc:
            # what has to go and was never there is a wrong name, and not what a run that died has finished; the text of
            # a rollback is stored, and can't be mended
            if exc.sqlstate in NOT_THERE and statement.kind != "index_stmt" and self.direction == "up":
                self._intend(number, statement, digest, again=True)
            raise
        self._done(self.work.watcher, number, digest)
        self.work.session.renew()

    def _intend(self, number: int, statement: Statement, digest: str, *, again: bool = False) -> None:
        """Journal what comes next; with `again` that it did not begin."""
        journal.append(
            self.work.watcher,
            self.work.run,
            "intended",
            "migration",
            self.id,
            statement=number,
            rendered=statement.text,
            checksum=digest,
            detail={"direction": self.direction} | ({"again": True} if again else {}),
        )

    def _send(self, number: int, statement: Statement) -> None:
        text = self._padded(statement)
        try:
            self.work.connection.execute(name_session(self.id).encode())
            script.send(self.work.connection, text)
        except script.ScriptError as exc:
            end(self.work.connection)
            raise script.explain(exc, text, self.source, doing=f"{self._name(number)} failed", hint=_hint) from exc.cause
        except BaseException:
            end(self.work.connection)
            raise

    def _is_done(self, number: int) -> bool:
        return any(step.event == "done" and step.number == number for step in journal.steps(self.work.watcher, self.id, self.direction))

    def _warn_of_snapshots(self, statement: Statement) -> None:
        """Say which old transactions a concurrent build or drop would wait for: no time limit ends that."""
        if statement.kind not in {"index_stmt", "drop_stmt", "reindex_stmt", "alter_table_stmt"}:
            return
        for pid, application, user, seconds in self.work.watcher.execute(sql("old_snapshots").encode()).fetchall():
            who = f"pid {pid} ({application}, {user})" if pid else f"{application} ({user})"
            age = f", whose transaction is {seconds} s old" if seconds is not None else ", which is in a transaction"
            self.work.tell("notice", self.id, f"it would wait for {who}{age}")

    def _padded(self, statement: Statement) -> str:
        """Return the statement at the line where it stands in the script, so that errors name that line."""
        return "\n" * (statement.line - 1) + statement.text

    def _name(self, number: int) -> str:
        name = self.id if self.direction == "up" else f"rollback of {self.id}"
        return f"{name}, statement {number} of {len(self.parsed)},"

    def _where(self, statement: Statement) -> str | None:
        return str(self.source.origin(statement.line)) if self.source else None


def _hint(sqlstate: str | None) -> str | None:
    if sqlstate == "23505":
        return "mend the data; the invalid index is dropped when `dbkit migrate` runs again"
    return "what came before it stays; mend this statement or the data, and run `dbkit migrate` again: it goes on here"
