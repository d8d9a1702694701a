"""Data changes chunk by chunk: each committed with its cursor, paced, resumed where a run ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.migrate.engine import Engine
from dbkit.postgres import journal
from dbkit.postgres.connect import server_error
from dbkit.postgres.session import end

if TYPE_CHECKING:
    from dbkit.source.backfill import Chunks

FIRST_BATCH, LARGEST_BATCH = 1000, 100_000
WANTED = 0.25  # seconds that a chunk may hold its locks
BREATH = 0.1  # of a chunk's time is left to the others after it
LARGEST_LAG = 10.0  # seconds that a replica may be behind


@dataclass(frozen=True, slots=True)
class Position:
    """Where a backfill stands: the last key that is done (None: none yet), and the last one that is its business."""

    cursor: str | None
    upper: str | None
    rows: int
    chunks: int


@dataclass(slots=True)
class Walk:
    """One backfill. Keys are passed as text, which the server reads as the key's type."""

    work: Engine
    id: str
    where: str
    chunks: Chunks
    batch: int | None
    checksum: str

    def execute(self) -> tuple[float, Position]:
        """Walk from the cursor to the bound that was frozen when the first run began; return seconds and the end."""
        started = time.monotonic()
        position = self._position()
        if position.chunks:
            self.work.tell("resumed", self.id, f"after key {position.cursor}: {position.rows} rows are done")
        size = self.batch or FIRST_BATCH
        while position.upper is not None and position.cursor != position.upper:
            begun = time.monotonic()
            found = self._one(position, size)
            if found is None:  # the answer was lost, the chunk was not: read where it stands
                position = self._position()
                continue
            position, took = found, time.monotonic() - begun
            if self.batch is None:
                size = _next_size(size, took)
            self.work.tell("progress", self.id, f"{position.rows} rows, up to key {position.cursor} of {position.upper}")
            self._breathe(took)
        return time.monotonic() - started, position

    def _position(self) -> Position:
        """Read the cursor, or begin: freeze the bound, so that rows that come meanwhile can't keep it running for ever."""
        query = "SELECT cursor, upper_bound, rows_touched, chunks, checksum FROM dbkit.progress WHERE object = %s"
        row = self.work.watcher.execute(query, [self.id]).fetchone()
        if row and row[4] != self.checksum:
            raise ConfigurationError(
                f"{self.id} was edited while it was under way: {row[2]} rows were changed as it was, up to key {row[0]}",
                where=self.where,
                hint="bring it back as it was, and write the change as a new migration",
            )
        if row:
            return Position(*row[:4])
        self._refuse_nullable()
        key, table = self.chunks.key, self.chunks.table
        highest = self._ask(f"SELECT t.{key}::text FROM {table} AS t ORDER BY t.{key} DESC LIMIT 1")  # noqa: S608 names are quoted
        if highest is not None:
            self.work.watcher.execute(
                "INSERT INTO dbkit.progress (object, run, checksum, upper_bound) VALUES (%s, %s, %s, %s)",
                [self.id, self.work.run.id, self.checksum, highest],
            )
        journal.append(self.work.watcher, self.work.run, "started", "migration", self.id, checksum=self.checksum)
        return Position(None, highest, 0, 0)

    def _refuse_nullable(self) -> None:
        """Raise where rows could have no key: they would be passed over."""
        query = (
            f"SELECT attnotnull FROM pg_attribute WHERE attrelid = '{self.chunks.table}'::regclass"  # noqa: S608 names are quoted
            f" AND attname = '{self.chunks.key.strip(chr(34))}' AND NOT attisdropped"
        )
        if self._ask(query) is False:
            raise ConfigurationError(
                f"{self.id}: the key {self.chunks.key} of {self.chunks.table} may be NULL, and such rows would be passed over",
                where=self.where,
                hint="walk by a NOT NULL column, best the primary key",
            )

    def _ask(self, query: str) -> Any:
        import psycopg

        try:
            row = self.work.connection.execute(query.encode()).fetchone()
        except psycopg.Error as exc:
            raise server_error(exc, doing=f"{self.id} failed", where=self.where) from exc
        return row[0] if row else None

    def _one(self, position: Position, size: int) -> Position | None:
        """Do one chunk, again where what stopped it passes by itself; None where only its answer was lost."""

        def is_in() -> bool:
            row = self.work.watcher.execute("SELECT chunks FROM dbkit.progress WHERE object = %s", [self.id]).fetchone()
            return bool(row and row[0] > position.chunks)

        return self.work.persist(self.id, lambda: self._chunk(position, size), is_in=is_in)

    def _chunk(self, position: Position, size: int) -> Position:
        """Change the rows of the next `size` keys and move the cursor, in one transaction."""
        import psycopg

        try:
            self.work.session.begin(self.id)
            last = self._last_key(position, size)
            bounds = [last] if position.cursor is None else [position.cursor, last]
            statement = self.chunks.first if position.cursor is None else self.chunks.statement
            result = self._execute(statement, bounds)
            self.work.session.restore()
            after = Position(last, position.upper, position.rows + (result.command_tuples or 0), position.chunks + 1)
            self.work.connection.execute(
                "UPDATE dbkit.progress SET cursor = %s, rows_touched = %s, chunks = %s, updated_at = clock_timestamp() WHERE object = %s",
                [after.cursor, after.rows, after.chunks, self.id],
            )
            self.work.connection.execute("COMMIT")
        except psycopg.Error as exc:
            end(self.work.connection)
            raise server_error(
                exc, doing=f"{self.id} failed after key {position.cursor}", where=self.where, hint=_hint(position.chunks)
            ) from exc
        except BaseException:
            end(self.work.connection)
            raise
        return after

    def _last_key(self, position: Position, size: int) -> str:
        """Return the last of the next `size` keys, within the bound."""
        key, table = self.chunks.key, self.chunks.table
        after = "" if position.cursor is None else f"{key} > $3 AND "
        chunk = f"SELECT {key} AS k FROM {table} WHERE {after}{key} <= $1 ORDER BY {key} LIMIT $2::bigint"  # noqa: S608 names are quoted
        query = f"SELECT c.k::text FROM ({chunk}) AS c ORDER BY c.k DESC LIMIT 1"  # noqa: S608 names are quoted
        values = [position.upper, str(size), *([position.cursor] if position.cursor is not None else [])]
        found = self._execute(query, values)
        return found.get_value(0, 0).decode() if found.ntuples else str(position.upper)

    def _execute(self, query: str, values: Sequence[str | None]) -> Any:
        from psycopg import errors, generators

        connection = self.work.connection
        connection.pgconn.send_query_params(query.encode(), [value.encode() if value is not None else None for value in values])
        (result,) = connection.wait(generators.execute(connection.pgconn))
        if result.error_message:
            raise errors.error_from_result(result)
        return result

    def _breathe(self, took: float) -> None:
        """Leave the others some time, and wait for replicas that are behind."""
        time.sleep(min(took * BREATH, 1.0))
        query = "SELECT max(extract(EPOCH FROM replay_lag)) FROM pg_stat_replication"
        while (row := self.work.watcher.execute(query.encode()).fetchone()) and row[0] is not None and row[0] > LARGEST_LAG:
            self.work.tell("progress", self.id, f"waiting for a replica that is {row[0]:.0f} s behind")
            if self.work.watch.halt.wait(1.0):
                raise KeyboardInterrupt


def _next_size(size: int, took: float) -> int:
    """Aim at WANTED seconds a chunk, at most doubling."""
    factor = min(max(WANTED / max(took, 0.001), 0.25), 2.0)
    return min(max(int(size * factor), 10), LARGEST_BATCH)


def _hint(chunks: int) -> Callable[[str | None], str]:
    done = f"{chunks} chunk{'' if chunks == 1 else 's'} before it stay" if chunks else "nothing of it was changed"
    return lambda _state: f"{done}; mend the file or the data and run `dbkit migrate` again: it goes on here"


def forget(work: Engine, object_id: str) -> None:
    """Remove the cursor, in the transaction that marks the backfill as applied."""
    work.connection.execute("DELETE FROM dbkit.progress WHERE object = %s", [object_id])
