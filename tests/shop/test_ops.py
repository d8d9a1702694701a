"""The `ops` functions that every PostgreSQL service has: ids, partitions, health, privacy."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


class Database(Protocol):
    """A fresh, migrated database of a service."""

    def connect(self, role: str | None = "app") -> psycopg.Connection: ...
    def dsn(self, role: str | None = "app") -> str: ...


@pytest.fixture
def database(pg_service: Callable[[str], Database]) -> Database:
    """Any service would do: ops is the same in all."""
    return pg_service("product")


@pytest.fixture
def owner(database: Database) -> psycopg.Connection:
    return database.connect("owner")


@pytest.fixture
def superuser(database: Database) -> psycopg.Connection:
    return database.connect(None)


def rows(connection: psycopg.Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(query, values or None).fetchall()


def value(connection: psycopg.Connection, query: str, *values: object) -> Any:
    """The only value of a query."""
    (row,) = rows(connection, query, *values)
    return row[0]


def wait_until_blocked(observer: psycopg.Connection, pid: int) -> None:
    """Returns as soon as the session waits for a lock."""
    deadline = time.monotonic() + 20
    while not value(observer, "SELECT cardinality(pg_blocking_pids(%s)) > 0", pid):
        assert time.monotonic() < deadline, "the session never waited"


def findings(connection: psycopg.Connection) -> dict[tuple[str, str], tuple[str, str]]:
    """What check_database_health() says: (check, object) -> (status, detail)."""
    found = rows(connection, "SELECT check_id, object, status, detail FROM ops.check_database_health()")
    return {(check, thing): (status, detail) for check, thing, status, detail in found}


# Ids


def test_an_id_is_a_uuid_of_version_7(owner: psycopg.Connection) -> None:
    made: UUID = value(owner, "SELECT ops.new_id()")
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_ids_made_in_one_session_are_in_the_order_of_their_making(
    owner: psycopg.Connection,
) -> None:
    made = [row[0] for row in rows(owner, "SELECT ops.new_id() FROM generate_series(1, 2000)")]
    assert len(set(made)) == 2000
    times = [made_id.hex[:16] for made_id in made]
    assert times == sorted(times)
    # A prefix of milliseconds alone would leave a few values only.
    assert len(set(times)) > 500


def test_an_id_tells_when_it_was_made(owner: psycopg.Connection) -> None:
    distance = value(owner, "SELECT extract(EPOCH FROM clock_timestamp() - ops.id_time(ops.new_id()))")
    assert abs(distance) < 1


@pytest.mark.parametrize(
    "moment",
    [
        "1970-01-01 00:00:00+00",
        "2026-11-22 12:34:56.789+00",
        "2026-12-31 23:59:59.999+14",
        "2099-02-28 00:00:00.001+00",
    ],
)
def test_the_floor_of_a_moment_goes_back_to_that_moment(owner: psycopg.Connection, moment: str) -> None:
    assert value(owner, "SELECT ops.id_time(ops.id_floor(%s)) = %s::timestamptz", moment, moment)


def test_the_floor_is_below_every_id_of_its_millisecond(owner: psycopg.Connection) -> None:
    above = value(
        owner,
        """
        SELECT bool_and(
            ops.id_floor(ops.id_time(id)) <= id
            AND id < ops.id_floor(ops.id_time(id) + interval '1 millisecond')
        )
        FROM (SELECT ops.new_id() AS id FROM generate_series(1, 500)) AS ids
        """,
    )
    assert above is True


def test_the_floor_of_a_time_before_1970_is_the_lowest_id(owner: psycopg.Connection) -> None:
    lowest = UUID("00000000-0000-7000-8000-000000000000")
    assert value(owner, "SELECT ops.id_floor('1950-01-01')") == lowest


def test_an_id_from_outside_is_recent_only_if_version_7_and_within_a_day(
    owner: psycopg.Connection,
) -> None:
    def is_recent(candidate: UUID | None) -> bool:
        recent: bool = value(owner, "SELECT ops.is_recent_id(%s)", candidate)
        return recent

    assert is_recent(value(owner, "SELECT ops.new_id()"))
    assert is_recent(value(owner, "SELECT ops.id_floor(now() - interval '23 hours')"))
    assert not is_recent(value(owner, "SELECT ops.id_floor(now() - interval '25 hours')"))
    assert not is_recent(value(owner, "SELECT ops.id_floor(now() + interval '25 hours')"))
    assert not is_recent(uuid4())
    assert not is_recent(None)


def test_an_index_of_ids_is_smaller_than_one_of_random_uuids(owner: psycopg.Connection) -> None:
    """In order of making they fill its pages; a prefix of whole milliseconds would make it larger than random ones do."""
    sizes = []
    for made in ("ops.new_id()", "gen_random_uuid()"):
        owner.execute("CREATE TABLE product.made (id uuid)")
        owner.execute("CREATE INDEX made_idx ON product.made (id)")
        owner.execute(f"INSERT INTO product.made SELECT {made} FROM generate_series(1, 50000)")
        sizes.append(value(owner, "SELECT pg_relation_size('product.made_idx')"))
        owner.execute("DROP TABLE product.made")
    assert sizes[0] < 0.9 * sizes[1]


def test_the_app_can_make_ids(database: Database) -> None:
    assert value(database.connect("app"), "SELECT ops.is_recent_id(ops.new_id())")


# Partitions


def make_tables(connection: psycopg.Connection) -> None:
    """A table ranged by id with a child, and one ranged by time."""
    connection.execute(
        """
        CREATE TABLE product.trips (
            id uuid DEFAULT ops.new_id() PRIMARY KEY,
            note text CONSTRAINT trips_note_check CHECK (note <> '')
        ) PARTITION BY RANGE (id);
        CREATE INDEX trips_note_idx ON product.trips (note);
        CREATE TABLE product.stops (
            number bigint GENERATED ALWAYS AS IDENTITY,
            trip_id uuid NOT NULL REFERENCES product.trips,
            PRIMARY KEY (trip_id, number)
        ) PARTITION BY RANGE (trip_id);
        CREATE TABLE product.visits (at timestamptz NOT NULL) PARTITION BY RANGE (at);
        """
    )


def month(offset: int) -> str:
    """The suffix of the partition that many months from now (UTC)."""
    now = datetime.now(UTC)
    count = now.year * 12 + now.month - 1 + offset
    return f"_p{count // 12:04}_{count % 12 + 1:02}"


def partitions(connection: psycopg.Connection, table: str) -> list[str]:
    """Suffixes of a table's partitions, in order of name."""
    found = rows(
        connection,
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1",
        f"product.{table}",
    )
    return [name.removeprefix(table) for (name,) in found]


def test_partitions_reach_from_last_month_to_four_ahead(owner: psycopg.Connection) -> None:
    make_tables(owner)
    for table in ("trips", "stops", "visits"):
        assert value(owner, "SELECT ops.create_partitions(%s)", f"product.{table}") == 6
        assert partitions(owner, table) == [month(offset) for offset in range(-1, 5)]


def test_making_partitions_again_makes_none(owner: psycopg.Connection) -> None:
    make_tables(owner)
    assert value(owner, "SELECT ops.create_partitions('product.trips')") == 6
    assert value(owner, "SELECT ops.create_partitions('product.trips')") == 0
    assert value(owner, "SELECT ops.create_partitions('product.trips', 6)") == 2


def test_a_partition_is_as_its_parent_is(owner: psycopg.Connection) -> None:
    make_tables(owner)
    owner.execute("SELECT ops.create_partitions('product.trips')")
    owner.execute("SELECT ops.create_partitions('product.stops')")
    trip = value(owner, "INSERT INTO product.trips (note) VALUES ('x') RETURNING id")
    stop = "INSERT INTO product.stops (trip_id) VALUES (%s) RETURNING number, tableoid::regclass::text"
    assert rows(owner, stop, trip) == [(1, f"product.stops{month(0)}")]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner.execute(stop, [value(owner, "SELECT ops.new_id()")])
    with pytest.raises(psycopg.errors.CheckViolation, match="trips_note_check"):
        owner.execute("INSERT INTO product.trips (note) VALUES ('')")
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        owner.execute("INSERT INTO product.trips (id) VALUES (ops.id_floor(now() + '1 year'))")
    indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'product' AND tablename = %s"
    assert value(owner, indexes, f"trips{month(0)}") == 2


def test_two_callers_at_once_make_each_partition_once(database: Database) -> None:
    first, second, observer = database.connect("owner"), database.connect("owner"), database.connect(None)
    make_tables(first)
    made: list[int] = []
    call = "SELECT ops.create_partitions('product.trips')"
    thread = threading.Thread(target=lambda: made.append(value(second, call)))
    with first.transaction():
        assert value(first, call) == 6
        thread.start()
        wait_until_blocked(observer, second.info.backend_pid)
    thread.join(timeout=20)
    assert made == [0]
    assert len(partitions(first, "trips")) == 6


def test_readers_and_writers_go_on_while_partitions_are_made(database: Database) -> None:
    maker, other = database.connect("owner"), database.connect("owner")
    make_tables(maker)
    maker.execute("SELECT ops.create_partitions('product.trips', 0)")
    with other.transaction():
        other.execute("INSERT INTO product.trips (note) VALUES ('still open')")
        maker.execute("SET lock_timeout = '2s'")
        assert value(maker, "SELECT ops.create_partitions('product.trips')") == 4


def test_a_month_that_was_detached_is_not_made_again(owner: psycopg.Connection) -> None:
    make_tables(owner)
    owner.execute("SELECT ops.create_partitions('product.visits')")
    last = month(-1)
    owner.execute(f"ALTER TABLE product.visits DETACH PARTITION product.visits{last}")
    assert value(owner, "SELECT ops.create_partitions('product.visits')") == 0
    assert last not in partitions(owner, "visits")


def test_a_partition_over_several_months_counts_for_each(owner: psycopg.Connection) -> None:
    make_tables(owner)
    owner.execute("CREATE TABLE product.visits_all PARTITION OF product.visits FOR VALUES FROM (MINVALUE) TO ('2200-01-01')")
    assert value(owner, "SELECT ops.create_partitions('product.visits')") == 0


@pytest.mark.parametrize("table", ["plain", "listed", "hashed"])
def test_a_table_without_a_time_range_is_refused(owner: psycopg.Connection, table: str) -> None:
    owner.execute(
        """
        CREATE TABLE product.plain (id uuid);
        CREATE TABLE product.listed (id uuid) PARTITION BY LIST (id);
        CREATE TABLE product.hashed (id uuid) PARTITION BY HASH (id);
        """
    )
    with pytest.raises(psycopg.Error) as refusal:
        owner.execute("SELECT ops.create_partitions(%s)", [f"product.{table}"])
    assert refusal.value.sqlstate == "SH480"
    assert refusal.value.diag.constraint_name == "partition_key"


def test_months_ahead_are_counted_to_the_first_gap(owner: psycopg.Connection) -> None:
    make_tables(owner)
    owner.execute("SELECT ops.create_partitions('product.visits')")
    ahead = "SELECT months_ahead FROM ops.partitions_ahead() WHERE table_name = 'product.visits'::regclass"
    assert value(owner, ahead) == 4
    owner.execute("CREATE TABLE product.open (at timestamptz) PARTITION BY RANGE (at)")
    owner.execute("CREATE TABLE product.open_1 PARTITION OF product.open FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
    assert value(owner, ahead.replace("visits", "open")) == 120
    owner.execute(f"DROP TABLE product.visits{month(3)}")
    assert value(owner, ahead) == 2
    owner.execute(f"DROP TABLE product.visits{month(0)}")
    assert value(owner, ahead) == 0


def test_every_table_of_ours_is_provided_and_no_other(owner: psycopg.Connection) -> None:
    make_tables(owner)
    owner.execute(
        """
        CREATE TABLE product.daily (at timestamptz) PARTITION BY RANGE (at);
        CREATE TABLE product.daily_1 PARTITION OF product.daily
        FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
        """
    )
    made = dict(rows(owner, "SELECT table_name::text, partitions_made FROM ops.create_all_partitions()"))
    assert made["product.trips"] == made["product.stops"] == made["product.visits"] == 6
    assert "product.daily" not in made
    assert set(made.values()) <= {0, 6}


def test_the_ops_role_makes_partitions_with_the_owners_rights(database: Database) -> None:
    make_tables(database.connect("owner"))
    assert value(database.connect("ops"), "SELECT ops.create_partitions('product.trips')") == 6
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.connect("app").execute("SELECT ops.create_partitions('product.trips')")


# Health


def test_health_has_a_row_for_every_check(database: Database) -> None:
    found = rows(
        database.connect("ops"),
        "SELECT check_id, status, title, why, remedy FROM ops.check_database_health()",
    )
    assert len({row[0] for row in found}) >= 45
    assert {row[1] for row in found} <= {"ok", "warning", "critical", "unknown"}
    assert all(row[2] and row[3] and row[4] for row in found)


def test_pg_monitor_sees_all_but_the_passwords(database: Database) -> None:
    unknown = {check for (check, _), (status, _) in findings(database.connect("ops")).items() if status == "unknown"}
    assert unknown <= {"weak_role_passwords", "journal_unfinished"}


def test_what_a_missing_privilege_hides_is_unknown_and_never_ok(database: Database, superuser: psycopg.Connection) -> None:
    superuser.execute("GRANT EXECUTE ON FUNCTION ops.check_database_health(), ops.health_checks() TO public")
    found = findings(database.connect("readonly"))
    for check in ("connections_used_ratio", "idle_in_transaction_seconds", "blocked_session_seconds"):
        status, detail = found[check, ""]
        assert status == "unknown"
        assert "GRANT pg_monitor TO" in detail
    assert found["weak_role_passwords", ""] == ("unknown", "permission denied for table pg_authid")


def test_a_check_of_a_table_that_is_not_there_is_left_out(
    pg_service: Callable[[str], Database],
) -> None:
    checks = {check for check, _ in findings(pg_service("product").connect("ops"))}
    assert "outbox_lag_seconds" not in checks
    checks = {check for check, _ in findings(pg_service("order").connect("ops"))}
    assert {"outbox_lag_seconds", "outbox_dead_letters", "overdue_order_seconds"} <= checks


def test_an_invalid_index_is_found(owner: psycopg.Connection, superuser: psycopg.Connection) -> None:
    owner.execute("CREATE TABLE product.twins (a integer)")
    owner.execute("INSERT INTO product.twins VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("CREATE UNIQUE INDEX CONCURRENTLY twins_a_key ON product.twins (a)")
    status, detail = findings(superuser)["invalid_indexes", "product.twins_a_key"]
    assert status == "warning"
    assert "product.twins" in detail


def test_a_foreign_key_without_an_index_is_found(owner: psycopg.Connection, superuser: psycopg.Connection) -> None:
    owner.execute(
        """
        CREATE TABLE product.parents (id bigint PRIMARY KEY);
        CREATE TABLE product.children (
            bare bigint CONSTRAINT children_bare_fk REFERENCES product.parents,
            good bigint CONSTRAINT children_good_fk REFERENCES product.parents,
            half bigint CONSTRAINT children_half_fk REFERENCES product.parents
        );
        CREATE INDEX children_good_idx ON product.children (good, bare);
        CREATE INDEX children_half_idx ON product.children (half) WHERE half IS NOT NULL;
        """
    )
    found = {thing for check, thing in findings(superuser) if check == "foreign_key_without_index_bytes"}
    assert "product.children.children_bare_fk" in found
    assert not found & {"product.children.children_good_fk", "product.children.children_half_fk"}


def test_the_copy_of_an_index_is_found_and_not_the_index(owner: psycopg.Connection, superuser: psycopg.Connection) -> None:
    owner.execute(
        """
        CREATE TABLE product.copies (id bigint PRIMARY KEY, a integer, b text);
        CREATE INDEX copies_id_idx ON product.copies (id);
        CREATE INDEX copies_lower_1_idx ON product.copies (lower(b)) WHERE a > 0;
        CREATE INDEX copies_lower_2_idx ON product.copies   (lower(b))   WHERE a > 0;
        CREATE INDEX copies_lower_3_idx ON product.copies (lower(b)) WHERE a > 1;
        CREATE INDEX copies_b_desc_idx ON product.copies (b DESC);
        CREATE INDEX copies_b_idx ON product.copies (b);
        CREATE INDEX copies_a_idx ON product.copies (a);
        CREATE INDEX copies_a_b_idx ON product.copies (a, b);
        """
    )
    found = findings(superuser)
    copies = {thing for check, thing in found if check == "duplicate_indexes" and thing.startswith("product.copies")}
    assert copies == {"product.copies_id_idx", "product.copies_lower_2_idx"}
    prefixes = {thing for check, thing in found if check == "prefix_index_bytes" and thing.startswith("product.copies")}
    assert prefixes == {"product.copies_a_idx"}


def test_a_session_idle_in_a_transaction_is_found(database: Database, superuser: psycopg.Connection) -> None:
    idle = database.connect("owner")
    with idle.transaction():
        idle.execute("SELECT 'forgotten'")
        status, detail = findings(superuser)["idle_in_transaction_seconds", f"pid {idle.info.backend_pid}"]
    assert status == "ok"
    assert "SELECT 'forgotten'" in detail


def test_a_blocked_session_is_found_with_the_one_at_the_chains_end(database: Database, superuser: psycopg.Connection) -> None:
    last, middle, first = (database.connect("owner") for _ in range(3))
    last.execute("CREATE TABLE product.hot (id integer PRIMARY KEY, n integer)")
    last.execute("INSERT INTO product.hot VALUES (1, 0), (2, 0)")
    one, two = ("UPDATE product.hot SET n = n + 1 WHERE id = 1", "UPDATE product.hot SET n = n + 1 WHERE id = 2")

    def run_middle() -> None:
        with middle.transaction():
            middle.execute(two)
            middle.execute(one)

    threads = [threading.Thread(target=run_middle), threading.Thread(target=lambda: first.execute(two))]
    with last.transaction():
        last.execute(one)
        threads[0].start()
        wait_until_blocked(superuser, middle.info.backend_pid)
        threads[1].start()
        wait_until_blocked(superuser, first.info.backend_pid)
        found = findings(superuser)
    for thread in threads:
        thread.join(timeout=20)
    _, detail = found["blocked_session_seconds", f"pid {first.info.backend_pid}"]
    assert f"behind pid {middle.info.backend_pid} behind pid {last.info.backend_pid}" in detail
    assert f"at the end pid {last.info.backend_pid}" in detail
    assert one in detail
    assert two in detail


def test_sequences_near_the_end_of_their_column_are_found(owner: psycopg.Connection, superuser: psycopg.Connection) -> None:
    owner.execute(
        """
        CREATE TABLE product.counters (
            small smallint GENERATED ALWAYS AS IDENTITY,
            plain serial,
            big bigint GENERATED ALWAYS AS IDENTITY
        );
        CREATE SEQUENCE product.narrow AS bigint;
        CREATE TABLE product.borrowers (id integer DEFAULT nextval('product.narrow'));
        CREATE SEQUENCE product.round AS smallint CYCLE;
        CREATE SEQUENCE product.falling AS integer INCREMENT -1 MAXVALUE -1;
        SELECT setval('product.counters_small_seq', 30000);
        SELECT setval('product.counters_plain_seq', 1700000000);
        SELECT setval('product.counters_big_seq', 3000000000);
        SELECT setval('product.narrow', 2100000000);
        SELECT setval('product.round', 32767);
        SELECT setval('product.falling', -2147000000);
        """
    )
    found = {thing: row[0] for (check, thing), row in findings(superuser).items() if check == "sequence_used_ratio"}
    assert found["product.counters_small_seq"] == "critical"
    assert found["product.counters_plain_seq"] == "warning"
    assert found["product.narrow"] == "critical"
    assert found["product.falling"] == "critical"
    assert not found.keys() & {"product.counters_big_seq", "product.round"}


def test_sequences_that_are_hidden_are_unknown(database: Database) -> None:
    database.connect("owner").execute("CREATE SEQUENCE product.hidden AS integer")
    status, detail = findings(database.connect("ops"))["sequence_used_ratio", ""]
    assert status == "unknown"
    assert "GRANT SELECT ON ALL SEQUENCES" in detail


@pytest.mark.parametrize(
    ("provoke", "check", "thing", "status"),
    [
        pytest.param(
            "CREATE TABLE product.x (a int);ALTER TABLE product.x ADD CONSTRAINT x_a_check CHECK (a > 0) NOT VALID",
            "unvalidated_constraints",
            "product.x.x_a_check",
            "warning",
            id="constraint not validated",
        ),
        pytest.param(
            "CREATE FUNCTION product.f() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "definer_functions_without_search_path",
            "product.f()",
            "critical",
            id="definer without search_path, for everybody",
        ),
        pytest.param(
            "CREATE FUNCTION product.f() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
            "REVOKE ALL ON FUNCTION product.f() FROM public",
            "definer_functions_without_search_path",
            "product.f()",
            "warning",
            id="definer without search_path",
        ),
        pytest.param(
            "GRANT CREATE ON SCHEMA product TO public",
            "schemas_public_can_create_in",
            "product",
            "warning",
            id="schema in which everybody creates",
        ),
        pytest.param(
            "CREATE TABLE product.x (a int); GRANT SELECT ON product.x TO public",
            "tables_public_can_read",
            "product.x",
            "warning",
            id="table that everybody reads",
        ),
        pytest.param(
            "CREATE TABLE product.x (a int); GRANT INSERT ON product.x TO public",
            "tables_public_can_read",
            "product.x",
            "critical",
            id="table that everybody writes",
        ),
        pytest.param(
            "CREATE TABLE product.x (id uuid, updated_at timestamptz, version int);"
            "CREATE TRIGGER touch_x BEFORE UPDATE ON product.x FOR EACH ROW"
            " EXECUTE FUNCTION ops.tg_touch_row(); ALTER TABLE product.x DISABLE TRIGGER touch_x",
            "disabled_triggers",
            "product.x.touch_x",
            "warning",
            id="disabled trigger",
        ),
        pytest.param(
            "CREATE TABLE product.x (a int) WITH (autovacuum_enabled = off)",
            "autovacuum_disabled_tables",
            "product.x",
            "warning",
            id="autovacuum off",
        ),
        pytest.param(
            "CREATE TABLE product.x (id uuid) PARTITION BY RANGE (id);SELECT ops.create_partitions('product.x', 1)",
            "partitions_ahead",
            "product.x",
            "critical",
            id="one partition ahead",
        ),
        pytest.param(
            "CREATE TABLE product.x (at timestamptz) PARTITION BY RANGE (at);SELECT ops.create_partitions('product.x', 2)",
            "partitions_ahead",
            "product.x",
            "warning",
            id="two partitions ahead",
        ),
        pytest.param(
            "CREATE TABLE product.x (id uuid) PARTITION BY RANGE (id); SELECT ops.create_partitions('product.x');"
            "DO $$ BEGIN EXECUTE format('DROP TABLE product.x_p%s', to_char(now() AT TIME ZONE 'UTC' + '1 month', 'YYYY_MM')); END $$",
            "partitions_ahead",
            "product.x",
            "critical",
            id="a hole in what is ahead",
        ),
        pytest.param(
            "CREATE TABLE product.x (at date) PARTITION BY RANGE (at); CREATE TABLE product.x_1 PARTITION OF product.x"
            " FOR VALUES FROM (MINVALUE) TO ('2000-01-01'); CREATE TABLE product.x_2 PARTITION OF product.x"
            " FOR VALUES FROM ('2050-01-01') TO (MAXVALUE)",
            "partitions_ahead",
            "product.x",
            "critical",
            id="a hole where now is",
        ),
        pytest.param(
            "CREATE TABLE product.x (at date) PARTITION BY RANGE (at)",
            "partitions_ahead",
            "product.x",
            "critical",
            id="no partition",
        ),
        pytest.param(
            "CREATE TABLE product.x WITH (autovacuum_enabled = off) AS"
            " SELECT generate_series(1, 3000) AS a; SELECT pg_stat_force_next_flush()",
            "statistics_stale_ratio",
            "product.x",
            "warning",
            id="never analyzed",
        ),
        pytest.param(
            "CREATE TABLE product.x WITH (autovacuum_enabled = off) AS"
            " SELECT generate_series(1, 3000) AS a; DELETE FROM product.x;"
            "SELECT pg_stat_force_next_flush()",
            "autovacuum_overdue_ratio",
            "product.x",
            "critical",
            id="dead rows",
        ),
    ],
)
def test_a_condition_is_found(database: Database, superuser: psycopg.Connection, provoke: str, check: str, thing: str, status: str) -> None:
    with psycopg.connect(database.dsn("owner"), autocommit=True) as connection:
        connection.execute(provoke.encode())
    assert findings(superuser)[check, thing][0] == status


def test_a_superusers_login_is_found(superuser: psycopg.Connection) -> None:
    name = f"ops_test_{uuid4().hex[:12]}"
    with superuser.transaction(force_rollback=True):
        superuser.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'md5{'0' * 32}'")
        found = findings(superuser)
    assert found["superuser_logins", name][0] == "warning"
    assert found["weak_role_passwords", name] == ("warning", "MD5 password")


def test_a_prepared_transaction_is_found(database: Database, superuser: psycopg.Connection) -> None:
    name = f"ops_test_{uuid4().hex[:12]}"
    connection = database.connect("owner")
    connection.execute(f"BEGIN; CREATE TABLE product.x (); PREPARE TRANSACTION '{name}'".encode())
    try:
        assert findings(superuser)["prepared_transaction_seconds", name][0] == "ok"
    finally:
        connection.execute(f"ROLLBACK PREPARED '{name}'".encode())


# Maintenance


def test_the_plans_name_what_is_due_and_their_commands_run(owner: psycopg.Connection) -> None:
    owner.execute(
        """
        CREATE TABLE product."Odd name" (a integer) WITH (autovacuum_enabled = off);
        INSERT INTO product."Odd name" SELECT generate_series(1, 3000);
        DELETE FROM product."Odd name" WHERE a > 100;
        SELECT pg_stat_force_next_flush();
        """
    )
    for plan in ("analyze_all_tables", "vacuum_all_tables"):
        due = f"SELECT command FROM ops.{plan}() WHERE table_name = 'product.\"Odd name\"'"
        owner.execute(value(owner, due))
        owner.execute("SELECT pg_stat_force_next_flush()")
        assert rows(owner, due) == []


def test_old_rows_go_batch_by_batch(owner: psycopg.Connection) -> None:
    owner.execute(
        """
        CREATE TABLE product.logs (id integer PRIMARY KEY, at timestamptz NOT NULL);
        INSERT INTO product.logs SELECT n, now() - make_interval(days => n)
        FROM generate_series(1, 10) AS n;
        """
    )
    call = (
        "SELECT rows_deleted, is_finished FROM ops.cleanup_old_data("
        '\'{"table": "product.logs", "column": "at", "keep": "5 days", "batch": 4}\')'
    )
    assert rows(owner, call) == [(4, False)]
    assert rows(owner, call) == [(2, True)]
    assert [row[0] for row in rows(owner, "SELECT id FROM product.logs ORDER BY 1")] == [1, 2, 3, 4]


def test_old_rows_go_by_the_time_in_their_ids(owner: psycopg.Connection) -> None:
    """An id of another version tells no time: its row stays."""
    random = "00000000-0000-4000-8000-000000000000"
    owner.execute(
        """
        CREATE TABLE product.logs (id uuid PRIMARY KEY, days integer NOT NULL);
        INSERT INTO product.logs SELECT ops.id_floor(now() - make_interval(days => n)), n
        FROM generate_series(1, 10) AS n;
        """
    )
    owner.execute("INSERT INTO product.logs VALUES (%s, 0)", [random])
    call = """SELECT rows_deleted, is_finished FROM ops.cleanup_old_data('{"table": "product.logs", "column": "id", "keep": "5.5 days"}')"""
    assert rows(owner, call) == [(5, True)]
    assert [row[0] for row in rows(owner, "SELECT days FROM product.logs ORDER BY 1")] == [0, 1, 2, 3, 4, 5]


def test_ops_cleans_up_what_is_granted_to_it_and_nothing_else(pg_service: Callable[[str], Database]) -> None:
    """As the role that logs in: the manual's example runs, and without DELETE nothing goes."""
    database = pg_service("order")
    owner, ops = database.connect("owner"), database.connect("ops")
    owner.execute(
        "INSERT INTO orders.idempotency_keys (user_id, scope, key, request_hash, claim_token, claimed_at, expires_at)"
        " SELECT 7, 'create_order', n, sha256('body'), gen_random_uuid(), now(), now() - make_interval(days => n)"
        " FROM generate_series(5, 9) AS n"
    )
    call = "SELECT rows_deleted, is_finished FROM ops.cleanup_old_data(%s)"
    example = '{"table": "orders.idempotency_keys", "column": "expires_at", "keep": "7 days"}'
    assert example in (ROOT / "docs/shop/ops.md").read_text("utf-8")
    assert rows(ops, call, example) == [(3, True)]
    for table in ("orders.order_notes", "ops.erasures"):
        column = "erased_at" if table == "ops.erasures" else "created_at"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(ops, call, f'{{"table": "{table}", "column": "{column}", "keep": "7 days"}}')


def test_old_months_are_named_and_not_deleted(owner: psycopg.Connection) -> None:
    make_tables(owner)
    owner.execute("SELECT ops.create_partitions('product.trips')")
    policy = '{"table": "product.trips", "column": "id", "keep": "40 days"}'
    call = "SELECT rows_deleted, commands FROM ops.cleanup_old_data(%s)"
    assert rows(owner, call, policy) == [(0, None)]
    owner.execute(
        "CREATE TABLE product.trips_p2020_01 PARTITION OF product.trips"
        " FOR VALUES FROM ('016f5e66-e800-7000-8000-000000000000')"
        " TO ('016ffe0b-f000-7000-8000-000000000000')"
    )
    ((deleted, commands),) = rows(owner, call, policy)
    assert deleted == 0
    assert commands == [
        "ALTER TABLE product.trips DETACH PARTITION product.trips_p2020_01 CONCURRENTLY",
        "DROP TABLE product.trips_p2020_01",
    ]
    for command in commands:
        owner.execute(command)


@pytest.mark.parametrize(
    "policy",
    [
        '{"table": "one.two.three.four", "column": "at", "keep": "5 days"}',
        '{"table": "elsewhere.product.logs", "column": "at", "keep": "5 days"}',
        '{"table": "pro..duct", "column": "at", "keep": "5 days"}',
        '{"table": "product.nowhere", "column": "at", "keep": "5 days"}',
        '{"table": "product.logs", "column": "nothing", "keep": "5 days"}',
        '{"table": "product.logs", "column": "id", "keep": "5 days"}',
        '{"table": "product.logs", "column": "at", "keep": "1 minute"}',
        '{"table": "product.logs", "column": "at"}',
        '{"table": "product.logs", "column": "at", "keep": "5 days", "batch": 0}',
        '{"table": "product.logs", "column": "at", "keep": "soon"}',
        '{"table": "product.logs", "column": "at", "keep": "5 days", "batch": "many"}',
        '{"table": "product.logs", "column": "at", "keep": "5 days", "batch": 3000000000}',
        '{"table": "product.logs", "column": "at", "keep": "900000000 years"}',
        None,
    ],
)
def test_a_retention_policy_that_does_not_fit_is_refused(owner: psycopg.Connection, policy: str | None) -> None:
    owner.execute("CREATE TABLE product.logs (id integer PRIMARY KEY, at timestamptz NOT NULL)")
    with pytest.raises(psycopg.Error) as refusal:
        owner.execute("SELECT ops.cleanup_old_data(%s)", [policy])
    assert refusal.value.sqlstate == "SH482"


def test_the_backup_script_is_a_shell_script(owner: psycopg.Connection) -> None:
    script = value(owner, "SELECT ops.generate_backup_script('/tmp/it''s here', 3)")
    subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True)
    assert "directory='/tmp/it'\\''s here'" in script
    assert "keep=3" in script


def test_the_backup_script_keeps_its_hands_off_another_databases_backups(owner: psycopg.Connection, tmp_path: Path) -> None:
    """`shop` begins the name of `shop-eu`, too, and sorts after it."""
    name = value(owner, "SELECT current_database()")
    backups, programs = tmp_path / "backups", tmp_path / "programs"
    others = [f"{name}-eu-2026010{day}T000000Z" for day in range(1, 8)] + [f"{name}-eu-20260108T000000Z.partial"]
    for folder in (*others, f"{name}-20260101T000000Z", f"{name}-20260102T000000Z", f"{name}-20260103T000000Z.partial"):
        (backups / folder).mkdir(parents=True)
    programs.mkdir()
    for program in ("pg_dump", "pg_dumpall", "pg_restore"):
        (programs / program).write_text("#!/bin/sh\n")
        (programs / program).chmod(0o755)
    script = value(owner, "SELECT ops.generate_backup_script(%s, 2)", str(backups))
    done = subprocess.run(
        ["/bin/sh"],
        input=script,
        text=True,
        check=True,
        capture_output=True,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
    )

    made = Path(done.stdout.strip()).name
    assert {folder.name for folder in backups.iterdir()} == {*others, f"{name}-20260102T000000Z", made}


def test_statistics_functions_answer_the_ops_role(database: Database) -> None:
    connection = database.connect("ops")
    for call in (
        "connection_usage()",
        "database_sizes()",
        "get_cache_hit_ratios()",
        "get_table_statistics()",
        "get_table_statistics('product')",
        "get_index_usage_statistics()",
        "maintenance_needs()",
    ):
        assert rows(connection, f"SELECT * FROM ops.{call}"), call
    rows(connection, "SELECT * FROM ops.vacuum_all_tables(FALSE)")
    rows(connection, "SELECT * FROM ops.analyze_all_tables(FALSE)")


def test_slow_queries_say_why_there_are_none(owner: psycopg.Connection) -> None:
    extension = "SELECT FROM pg_extension WHERE extname = 'pg_stat_statements'"
    found = rows(owner, "SELECT query, reason FROM ops.get_slow_queries()")
    if not rows(owner, extension):
        ((query, reason),) = found
        assert query is None
        assert "CREATE EXTENSION pg_stat_statements" in reason


# Epochs


def test_the_epoch_stays_and_rises_when_the_cluster_moved(database: Database) -> None:
    connection = database.connect("owner")
    assert [value(connection, "SELECT ops.cluster_epoch()") for _ in range(3)] == [1, 1, 1]
    connection.execute("UPDATE ops.cluster_epochs SET system_identifier = 1")
    reader = database.connect("owner")
    with reader.transaction():
        reader.execute("SET TRANSACTION READ ONLY")
        assert value(reader, "SELECT ops.cluster_epoch()") == 2
    assert value(database.connect("app"), "SELECT ops.cluster_epoch()") == 2
    assert value(connection, "SELECT ops.raise_cluster_epoch('restored')") == 3
    assert value(connection, "SELECT ops.cluster_epoch()") == 3
    reasons = rows(connection, "SELECT epoch, reason FROM ops.cluster_epochs ORDER BY 1")
    assert reasons == [(1, "first use"), (2, "cluster moved"), (3, "restored")]


# Privacy


@pytest.fixture
def person(owner: psycopg.Connection) -> str:
    """User 42, with data in three tables; user 43 beside."""
    owner.execute(
        """
        DELETE FROM ops.personal_columns;
        CREATE TABLE product.bills (
            id bigint PRIMARY KEY, user_id bigint, address jsonb, email text, total bigint
        );
        CREATE TABLE product.bill_lines (bill_id bigint REFERENCES product.bills, wish text);
        CREATE TABLE product.visits_of (user_id text, page text);
        INSERT INTO product.bills VALUES
        (1, 42, '{"street": "Elm"}', 'ann@example.org', 100),
        (2, 43, '{"street": "Oak"}', 'bob@example.org', 200);
        INSERT INTO product.bill_lines VALUES (1, 'for Ann'), (2, 'for Bob');
        INSERT INTO product.visits_of VALUES ('42', '/a'), ('43', '/b');
        INSERT INTO ops.personal_columns
        (table_name, column_name, subject_column, subject_filter, policy, replacement, reason)
        VALUES
        ('product.bills', 'user_id', 'user_id', NULL, 'pseudonym', NULL, ''),
        ('product.bills', 'address', 'user_id', NULL, 'replace', '{}', ''),
        ('product.bills', 'email', 'user_id', NULL, 'null', NULL, ''),
        ('product.bills', 'total', 'user_id', NULL, 'keep', NULL, 'accounting law'),
        ('product.bill_lines', 'wish', NULL,
        'bill_id IN (SELECT b.id FROM product.bills AS b WHERE b.user_id = $1::bigint)',
        'replace', '100% gone', ''),
        ('product.visits_of', 'page', 'user_id', NULL, 'delete', NULL, '');
        """
    )
    return "42"


def test_an_export_holds_all_of_one_person_and_nobody_else(owner: psycopg.Connection, person: str) -> None:
    export = value(owner, "SELECT ops.export_personal_data(%s)", person)
    assert export["tables"] == {
        "product.bills": [{"address": {"street": "Elm"}, "email": "ann@example.org", "total": 100, "user_id": 42}],
        "product.bill_lines": [{"wish": "for Ann"}],
        "product.visits_of": [{"page": "/a"}],
    }


def test_erasing_takes_one_person_out_and_nobody_else(owner: psycopg.Connection, person: str) -> None:
    reference = value(owner, "SELECT ops.subject_ref(%s)", person)
    receipt = value(owner, "SELECT ops.erase_personal_data(%s)", person)
    bills = rows(owner, "SELECT id, user_id, address, email, total FROM product.bills ORDER BY id")
    pseudonym = bills[0][1]
    assert bills[0] == (1, pseudonym, {}, None, 100)
    assert pseudonym < 0
    assert bills[1] == (2, 43, {"street": "Oak"}, "bob@example.org", 200)
    assert rows(owner, "SELECT wish FROM product.bill_lines ORDER BY 1") == [("100% gone",), ("for Bob",)]
    assert rows(owner, "SELECT user_id FROM product.visits_of") == [("43",)]
    assert rows(owner, "SELECT FROM ops.privacy_keys") == []
    assert receipt["subject_ref"] == str(reference)
    assert receipt["kept"] == [{"table_name": "product.bills", "column_name": "total", "reason": "accounting law"}]
    assert {(done["table"], done["action"], done["rows"]) for done in receipt["erased_rows"]} == {
        ("product.bill_lines", "rewritten", 1),
        ("product.bills", "rewritten", 1),
        ("product.visits_of", "deleted", 1),
    }
    stored = rows(owner, "SELECT id, subject_ref, erased_rows FROM ops.erasures")
    assert stored == [(receipt["id"], reference, receipt["erased_rows"])]


def test_erasing_again_finds_nothing(owner: psycopg.Connection, person: str) -> None:
    owner.execute("SELECT ops.erase_personal_data(%s)", [person])
    again = value(owner, "SELECT ops.erase_personal_data(%s)", person)
    assert [done["rows"] for done in again["erased_rows"]] == [0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        "('product.bills', 'gone', 'user_id', NULL, 'null')",
        "('product.bills', 'total', 'gone', NULL, 'null')",
        "('product.gone', 'email', 'user_id', NULL, 'null')",
        "('product.bills', 'address', 'user_id', NULL, 'pseudonym')",
    ],
)
def test_a_mapping_that_does_not_fit_stops_export_and_erasing(owner: psycopg.Connection, person: str, wrong: str) -> None:
    owner.execute("DELETE FROM ops.personal_columns WHERE column_name IN ('total', 'address')")
    owner.execute(f"INSERT INTO ops.personal_columns (table_name, column_name, subject_column, subject_filter, policy) VALUES {wrong}")
    for function in ("export_personal_data", "erase_personal_data"):
        with pytest.raises(psycopg.Error) as refusal:
            owner.execute(f"SELECT ops.{function}(%s)", [person])
        assert refusal.value.sqlstate == "SH483"
    assert value(owner, "SELECT count(*) FROM product.bills WHERE user_id = 42") == 1


def test_two_callers_at_once_get_one_reference_for_a_person(database: Database) -> None:
    first, second, observer = database.connect("owner"), database.connect("owner"), database.connect(None)
    call = "SELECT ops.subject_ref('77')"
    references: list[UUID] = []
    thread = threading.Thread(target=lambda: references.append(value(second, call)))
    with first.transaction():
        reference = value(first, call)
        thread.start()
        wait_until_blocked(observer, second.info.backend_pid)
    thread.join(timeout=20)
    assert references == [reference]


@pytest.mark.parametrize("role", ["app", "readonly", "ops"])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM ops.privacy_keys",
        "SELECT ops.export_personal_data('42')",
        "SELECT ops.erase_personal_data('42')",
        "SELECT ops.raise_cluster_epoch('x')",
        "SELECT ops.subject_ref('42')",
    ],
)
def test_only_the_owner_reads_and_erases_persons(database: Database, role: str, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.connect(role).execute(query)


@pytest.mark.parametrize("role", ["app", "readonly", "ops"])
def test_a_role_calls_what_the_manual_lists_and_nothing_else(database: Database, role: str) -> None:
    """docs/shop/ops.md has each function's roles: in a table's last column, or in brackets."""
    page = (ROOT / "docs/shop/ops.md").read_text("utf-8")
    told = re.findall(r"^\| `ops\.(\w+)\(.*\| ([aro ]+)(?:,[^|]*)? \|$", page, re.MULTILINE)
    told += re.findall(r"`ops\.(\w+)\(\)` \(([aro ]+)\)", page)
    allowed = rows(
        database.connect(role),
        "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'ops'::regnamespace AND has_function_privilege(oid, 'EXECUTE')",
    )

    assert {name for (name,) in allowed} == {name for name, letters in told if role[0] in letters.split()}


LOOK = {"cluster_epochs", "personal_columns", "retention", "partition_exits"}


@pytest.mark.parametrize(("role", "tables"), [("app", set()), ("readonly", LOOK), ("ops", LOOK | {"erasures"})])
def test_a_role_reads_these_tables_of_ops_and_writes_none(database: Database, role: str, tables: set[str]) -> None:
    allowed = rows(
        database.connect(role),
        "SELECT c.relname, p FROM pg_class AS c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p"
        " WHERE c.relnamespace = 'ops'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND has_any_column_privilege(c.oid, p)"
        " UNION ALL"
        " SELECT c.relname, p FROM pg_class AS c, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS p"
        " WHERE c.relnamespace = 'ops'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege(c.oid, p)",
    )

    assert set(allowed) == {(table, "SELECT") for table in tables}


def test_no_function_of_ops_is_everybodys(owner: psycopg.Connection) -> None:
    open_to_all = rows(
        owner,
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'ops'::regnamespace"
        " AND has_function_privilege('public', oid, 'EXECUTE')",
    )
    assert open_to_all == []
