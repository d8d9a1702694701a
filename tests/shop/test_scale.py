"""The order service in eight schemas of one database: each is a whole shop's orders, and knows of no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from dbkit.fleet.members import members
from dbkit.maintain.seed import seed
from dbkit.migrate.run import migrate
from dbkit.postgres.connect import Database
from dbkit.postgres.journal import Run
from dbkit.postgres.roles import prepare_cluster
from dbkit.project.manifest import Endpoint, Targets
from dbkit.project.target import Target
from dbkit.prove import load_sql_tests, run_sql_test
from dbkit.source.repeatables import load_routines
from dbkit.testing.plugin import replace_struct, server_settings

if TYPE_CHECKING:
    from dbkit.postgres.server import Server
    from dbkit.project.manifest import Project
    from dbkit.testing.plugin import ServiceDatabase

SHARDS = tuple(f"shard_{number}" for number in range(1, 9))
USED = ("shard_3", "shard_7")
SHARED = {"ops", "audit", "pg_catalog"}


@dataclass(frozen=True)
class Shards:
    """The database, as each of its schemas has it."""

    by_name: dict[str, Database]

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask as the superuser."""
        with self.by_name[SHARDS[0]].connect("test", "superuser") as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def written(self) -> dict[str, int]:
        """Return how many rows were ever written in each schema, rolled back or not."""
        with self.by_name[SHARDS[0]].connect("test", "superuser") as connection:
            connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
            return dict(
                connection.execute(
                    "SELECT schemaname::text, sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_all_tables"
                    " WHERE schemaname !~ '^pg_' GROUP BY 1"
                ).fetchall()
            )


@pytest.fixture(scope="module")
def shards(dbkit_project: Project, dbkit_server: Server) -> Iterator[Shards]:
    """Migrate the eight, as `dbkit migrate order` does where the manifest lists them."""
    manifest = dbkit_project.manifest
    service = replace_struct(manifest.services["order"], database="order_in_shards")
    project = replace(dbkit_project, manifest=replace_struct(manifest, services={**manifest.services, "order": service}))
    fleet = Endpoint(targets=Targets(schemas=SHARDS))
    prepare_cluster(dbkit_server.conninfo("postgres"), project, ["order"])
    every = members([Target(project, "order", "test", server_settings(), "postgres", None, None, fleet)], ())
    for target in every:
        migrate(Database(target, dbkit_server), Run("test", None), lambda _event: None)
    yield Shards({str(target.member): Database(target, dbkit_server) for target in every})
    with psycopg.connect(dbkit_server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE order_in_shards WITH (FORCE)")


def test_what_is_not_the_services_renders_the_same_for_every_schema(shards: Shards) -> None:
    texts = [
        {routine.id.partition("/")[2]: routine.script.checksum for routine in load_routines(database.target.project, database.service)}
        for database in shards.by_name.values()
    ]
    for name, checksum in texts[0].items():
        if name.partition("/")[0] in SHARED:
            assert {each[name] for each in texts} == {checksum}, name


def test_nothing_in_a_schema_depends_on_what_lies_outside_it(shards: Shards) -> None:
    """But for ops and audit. Bodies in SQL are bound, so they count here; those in text come next."""
    found = shards.rows(
        r"""
        SELECT DISTINCT o.identity, r.identity
        FROM pg_depend AS d
        CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
        CROSS JOIN LATERAL pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) AS r
        WHERE
            o.identity ~ '\mshard_\d\.'
            AND (
                (r.schema <> ALL(%s) AND r.schema <> substring(o.identity FROM '\m(shard_\d)\.'))
                OR substring(r.identity FROM '\m(shard_\d)\.') <> substring(o.identity FROM '\m(shard_\d)\.')
            )
        """,
        list(SHARED),
    )
    assert found == []
    bound = shards.rows(
        r"SELECT count(*) FROM pg_depend AS d, pg_identify_object(d.classid, d.objid, d.objsubid) AS o"
        r" WHERE o.identity ~ '\mshard_8\.'"
    )
    assert bound[0][0] > 1000


def test_every_name_in_a_body_is_qualified_by_its_own_schema(shards: Shards) -> None:
    schemas = {name for (name,) in shards.rows("SELECT nspname::text FROM pg_namespace")}
    named = {}
    for schema in SHARDS:
        relations = {name for (name,) in shards.rows("SELECT relname::text FROM pg_class WHERE relnamespace = %s::regnamespace", schema)}
        functions = {name for (name,) in shards.rows("SELECT proname::text FROM pg_proc WHERE pronamespace = %s::regnamespace", schema)}
        bodies = shards.rows(
            "SELECT oid::regprocedure::text, prosrc, proconfig FROM pg_proc WHERE pronamespace = %s::regnamespace AND prosrc <> ''", schema
        )
        assert len(bodies) > 30
        for name, body, settings in bodies:
            text = re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", body)
            before_dots = set(re.findall(r"(?<![.\w])(\w+)\.\w", text)) & schemas
            bare = set(re.findall(r"(?i)\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?(\w+)\b(?!\s*[.(])", text)) & relations
            called = set(re.findall(r"(?<![.\w])(\w+)\s*\(", text)) & functions
            assert (before_dots - SHARED - {schema}, bare, called) == (set(), set(), set()), name
            assert f"search_path={schema}, pg_temp" in settings, name
        named[schema] = len(bodies)
    assert len(set(named.values())) == 1


def test_the_services_tests_pass_in_two_schemas_and_touch_no_other(shards: Shards) -> None:
    before = shards.written()

    failed, total = [], 0
    for schema in USED:
        database = shards.by_name[schema]
        seed(database)
        project, owner = database.target.project, database.target.role("owner")
        for test in load_sql_tests("order", project.folder("order", "tests")):
            there = replace(test, text=re.sub(r"\borders(?=\.\w)", schema, test.text))
            result = run_sql_test(database, owner, there)
            total += 1
            failed += [] if result.passed else [f"{schema}: {test.path.name}:{test.line}: {test.claim}: {result.problem}"]

    assert failed == []
    assert total > 100
    after = shards.written()
    assert {name for name in after if after[name] != before.get(name, 0)} <= {*USED, "ops", "audit"}
    assert all(after[name] > before[name] for name in USED)


def place(database: Database, schema: str, user: int, key: int) -> str:
    """Place an order as the app does; return what came of it, or the SQLSTATE of the refusal."""
    with database.connect("test", "app") as connection:
        try:
            row = connection.execute(
                f"SELECT o.outcome FROM {schema}.create_order(%s, %s, 'USD', %s, 'Ada', %s, 'GB', 'ada@example.com') AS o".encode(),
                [
                    user,
                    str(key),
                    Jsonb([{"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 5000}]),
                    Jsonb({"line_1": "x"}),
                ],
            ).fetchone()
        except psycopg.Error as exc:
            return str(exc.sqlstate)
    assert row is not None
    return str(row[0])


def test_a_limit_holds_in_each_schema_and_not_across_them(shards: Shards) -> None:
    """Five pending orders of one user: in each of two schemas at once, twenty attempts each."""
    calls = [(schema, key) for key in range(20) for schema in USED]
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda call: place(shards.by_name[call[0]], call[0], 4242, call[1]), calls))

    assert outcomes.count("created") == 10, outcomes
    for schema in SHARDS:
        (pending,) = shards.rows(f"SELECT count(*) FROM {schema}.orders WHERE user_id = 4242 AND state = 'pending'")
        assert pending == ((5,) if schema in USED else (0,))


# The routing key: a proxy, or the caller, finds the shard by the first argument.

ROUTING_KEYS = {"order": "p_user_id", "payment": "p_user_id", "inventory": "p_product_id"}
# done in each shard, for whoever is there: sweepers, reports, the workers of a consumer
WHOLE_SHARD = {"", "p_batch", "p_consumer"}
EXCEPTIONS = {
    # an order's products may lie in many shards: the caller's saga calls each with its part, and all three are idempotent for that
    "reserve_inventory": "p_order_id",
    "confirm_reservation": "p_order_id",
    "release_reservation": "p_order_id",
    # a reader keeps a cursor a shard, as each has a log of its own
    "read_outbox_log": "p_epoch",
    # a report over the shard's suppliers
    "supplier_performance": "p_since",
}


@pytest.mark.parametrize("service", ROUTING_KEYS)
def test_the_first_argument_of_what_the_app_calls_is_the_routing_key(pg_service: Callable[[str], ServiceDatabase], service: str) -> None:
    """But for what concerns a whole shard, what computes from its arguments alone, and the exceptions above."""
    made = pg_service(service)
    with made.connect(None) as connection:
        functions = connection.execute(
            "SELECT p.proname::text, CASE WHEN p.pronargs > 0 THEN p.proargnames[1] ELSE '' END FROM pg_proc AS p"
            " WHERE p.pronamespace = %s::regnamespace"
            " AND has_function_privilege(%s, p.oid, 'EXECUTE') AND p.provolatile <> 'i' AND p.prorettype <> 'trigger'::regtype",
            [made.database.target.schema, made.database.target.role("app")],
        ).fetchall()

    assert any(first == ROUTING_KEYS[service] for _, first in functions)
    wrong = [pair for pair in functions if pair[1] not in {ROUTING_KEYS[service], *WHOLE_SHARD} and EXCEPTIONS.get(pair[0]) != pair[1]]
    assert wrong == []
