"""What needs Debian's packages: run by .ci/run with DBKIT_TEST_POSTGRES=/usr/lib/postgresql/15/bin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dbkit.testing.plugin import ServiceDatabase

CHECK = """
SELECT p.oid::regprocedure::text, coalesce(t.tgrelid::regclass::text, ''), c.level, c.lineno, c.message
FROM pg_proc AS p
INNER JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
LEFT JOIN pg_trigger AS t ON t.tgfoid = p.oid AND NOT t.tgisinternal AND t.tgparentid = 0
CROSS JOIN LATERAL plpgsql_check_function_tb(p.oid, coalesce(t.tgrelid, 0)) AS c
WHERE n.nspname = ANY(%s) AND (p.prorettype <> 'trigger'::regtype OR t.oid IS NOT NULL)
ORDER BY 1
"""


@pytest.mark.parametrize("service", ["product", "order", "payment", "inventory"])
def test_plpgsql_check_finds_nothing(pg_service: Callable[[str], ServiceDatabase], service: str) -> None:
    database = pg_service(service)
    with database.connect(None) as connection:
        connection.execute("CREATE EXTENSION plpgsql_check")
        schemas = [database.database.target.schema, "ops", "audit"]

        assert connection.execute(CHECK, [schemas]).fetchall() == []


def test_the_functions_that_are_checked_are_many(pg_service: Callable[[str], ServiceDatabase]) -> None:
    with pg_service("order").connect(None) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_proc AS p INNER JOIN pg_language AS l ON l.oid = p.prolang"
            " WHERE l.lanname = 'plpgsql' AND p.pronamespace = 'orders'::regnamespace"
        ).fetchone()

    assert row is not None
    assert row[0] > 20
