"""yoyo's psycopg backend, made safe: what `yoyo --database dbkit+psycopg://…` uses.

dbkit itself writes yoyo's tables in a migration's own transaction (journal.py); this class is
for people who run yoyo's own commands against a database that dbkit keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend


class DbkitBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """Reads and marks only: no probe table, no lock row, no search_path taken from a URL unquoted."""

    def init_database(self) -> None:
        """Take for granted what yoyo probes by making a table: PostgreSQL's DDL is transactional."""
        self.has_transactional_ddl = True

    def init_connection(self, connection: Any) -> None:
        """Quote the schema, which yoyo would paste into the statement as it is."""
        from psycopg.sql import SQL, Identifier

        if self.schema:
            connection.execute(SQL("SET search_path TO {}").format(Identifier(self.schema)))

    @contextmanager
    def lock(self, timeout: float = 10) -> Iterator[None]:
        """Take dbkit's run lock, which the server frees by itself, instead of a row that stays."""
        from dbkit.postgres import lock

        lock.acquire(self.connection, lock.RUN, wait=timeout, waiting=lambda _holder: None)
        try:
            yield
        finally:
            lock.release(self.connection, lock.RUN)

    def apply_one(self, migration: Any, force: bool = False, mark: bool = True) -> None:
        """Refuse: applied by yoyo, a migration and its mark would be two transactions."""
        raise NotImplementedError(f"{migration.id}: `dbkit migrate` applies it, together with its mark")

    def rollback_one(self, migration: Any, force: bool = False) -> None:
        """Refuse, for the same reason."""
        raise NotImplementedError(f"{migration.id}: `dbkit rollback` undoes it, together with its mark")
