"""The order service's database, for the tests that name this file in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from order_calls import Bounded, Connection, Database


@pytest.fixture
def db(pg_service: Callable[[str], Database]) -> Database:
    """Give an order database without seeds."""
    return Bounded(pg_service("order"))


@pytest.fixture
def owner(db: Database) -> Connection:
    """Give a session of the owner, who may do by hand what the functions do."""
    return db.connect("owner")
