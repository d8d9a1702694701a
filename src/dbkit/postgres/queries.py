"""SQL of our own, by the name of its file."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=32)
def sql(name: str) -> str:
    """Return the text of `postgres/sql/NAME.sql`."""
    return resources.files("dbkit.postgres").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
