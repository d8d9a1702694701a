"""Statements that are put together while the server is busy with others, and sent later in one message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg


@dataclass(slots=True)
class _Collector:
    """Stands for a cursor: keeps what it is told to execute, its parameters as literals."""

    composer: psycopg.ClientCursor[tuple[Any, ...]]
    statements: list[str]

    def execute(self, query: Any, params: Any = None, **_: Any) -> _Collector:
        self.statements.append(self.composer.mogrify(query, params))
        return self


@contextmanager
def collected(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[list[str]]:
    """Keep what the connection is told to execute meanwhile, and send nothing of it; whoever asks for a result gets an error."""
    from psycopg import ClientCursor

    collector = _Collector(ClientCursor(connection), [])
    usual = connection.cursor_factory
    connection.cursor_factory = lambda *_, **__: collector  # type: ignore[assignment]
    try:
        yield collector.statements
    finally:
        connection.cursor_factory = usual
