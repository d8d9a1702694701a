"""Backfills: chunk by chunk, each row once, resumed where a run ended."""

from __future__ import annotations

import pytest

from dbkit.errors import ConfigurationError, DbkitError
from scratch import Scratch

ROWS = 5000


@pytest.fixture
def wide(scratch: Scratch) -> Scratch:
    """A table whose every update is counted."""
    scratch.migration(
        "0001_a",
        f"""
        CREATE TABLE main.a (id bigint PRIMARY KEY, v integer, touched integer NOT NULL DEFAULT 0);
        INSERT INTO main.a (id) SELECT i * 3 FROM generate_series(1, {ROWS}) AS i;
        """,
        "DROP TABLE main.a;",
    )
    scratch.migrate()
    return scratch


FILL = "-- backfill: key=id batch={batch}\nUPDATE main.a AS t SET v = id * 2, touched = touched + 1 WHERE v IS NULL OR v < 0;"


@pytest.mark.parametrize("batch", ["700", "auto", "1", "1000000"])
def test_every_row_is_touched_once(wide: Scratch, batch: str) -> None:
    if batch == "1":
        wide.value("DELETE FROM main.a WHERE id > 60 RETURNING 1")
    wide.migration("0002_fill", FILL.format(batch=batch))

    wide.migrate()

    assert wide.value("SELECT count(*) FROM main.a WHERE touched <> 1 OR v <> id * 2") == 0
    assert wide.states()["0002_fill"] == "applied"
    assert wide.value(
        "SELECT (detail ->> 'rows')::integer FROM dbkit.journal WHERE object = 'main/0002_fill' AND event = 'applied'"
    ) == wide.value("SELECT count(*) FROM main.a")
    assert wide.value("SELECT count(*) FROM dbkit.progress") == 0


def test_a_failure_keeps_the_chunks_before_it_and_the_next_run_goes_on_there(wide: Scratch) -> None:
    wide.value("ALTER TABLE main.a ADD CONSTRAINT a_v_check CHECK (id <> 9000 OR v IS NULL)")
    wide.migration("0002_fill", FILL.format(batch="500"))

    with pytest.raises(DbkitError) as caught:
        wide.migrate()

    assert caught.value.sqlstate == "23514"
    assert wide.value("SELECT count(*) FROM main.a WHERE touched = 1") == 2500
    assert wide.states()["0002_fill"] == "failed"

    wide.value("ALTER TABLE main.a DROP CONSTRAINT a_v_check")
    wide.value("UPDATE main.a SET v = NULL WHERE id = 3 RETURNING 1")  # already passed: it is not touched again
    wide.migrate()

    assert wide.value("SELECT count(*) FROM main.a WHERE touched <> 1") == 0


def test_rows_that_come_meanwhile_are_not_its_business(wide: Scratch) -> None:
    wide.value(
        "INSERT INTO dbkit.progress (object, run, checksum, upper_bound) SELECT 'main/0002_fill', gen_random_uuid(), 'x', '300' RETURNING 1"
    )
    wide.migration("0002_fill", FILL.format(batch="500"))

    with pytest.raises(ConfigurationError, match="was edited while it was under way"):
        wide.migrate()

    from dbkit.source.checksum import token_hash

    wide.value("UPDATE dbkit.progress SET checksum = %s RETURNING 1", token_hash("id " + FILL.partition("\n")[2].rstrip(";")))
    wide.migrate()

    assert wide.value("SELECT max(id) FROM main.a WHERE touched = 1") == 300


def test_another_key_in_the_middle_is_another_backfill(wide: Scratch) -> None:
    """Its cursor is the first key's: rows would be passed over, and others touched twice."""
    wide.migration("0002_n", "ALTER TABLE main.a ADD COLUMN n bigint GENERATED ALWAYS AS (-id) STORED NOT NULL UNIQUE;", "SELECT 1;")
    text = "-- backfill: key={key} batch=500\nUPDATE main.a AS t SET v = 1 / (3000 - id), touched = touched + 1 WHERE id > 0;"
    wide.migration("0003_fill", text.format(key="id"))
    with pytest.raises(DbkitError, match="division by zero"):
        wide.migrate()
    wide.migration("0003_fill", text.format(key="n"))

    with pytest.raises(ConfigurationError, match="was edited while it was under way"):
        wide.migrate()


@pytest.mark.parametrize("what", ["count(*)", "DISTINCT id % 3", "row_number() OVER (ORDER BY id)", "id"])
def test_what_is_about_all_rows_at_once_is_no_backfill(wide: Scratch, what: str) -> None:
    """Each chunk would count anew."""
    wide.migration("0002_b", "CREATE TABLE main.b (id bigint);", "DROP TABLE main.b;")
    limit = " LIMIT 5" if what == "id" else ""
    wide.migration("0003_copy", f"-- backfill: key=id batch=10\nINSERT INTO main.b SELECT {what} FROM main.a{limit};")

    with pytest.raises(ConfigurationError, match="made anew in each chunk"):
        wide.migrate()


def test_an_insert_is_chunked_by_the_table_that_it_reads(wide: Scratch) -> None:
    wide.migration("0002_b", "CREATE TABLE main.b (id bigint PRIMARY KEY);", "DROP TABLE main.b;")
    wide.migration("0003_copy", "-- backfill: key=id batch=999\nINSERT INTO main.b SELECT a.id FROM main.a AS a WHERE a.id % 2 = 0;")

    wide.migrate()

    assert wide.value("SELECT count(*) FROM main.b") == ROWS // 2


def test_an_empty_table_and_a_delete_are_fine(wide: Scratch) -> None:
    wide.migration("0002_del", "-- backfill: key=id batch=999\nDELETE FROM main.a WHERE id % 2 = 0;")
    wide.migration("0003_all", "-- backfill: key=id\nDELETE FROM main.a;")
    wide.migration("0004_none", "-- backfill: key=id\nUPDATE main.a SET v = 1;")

    wide.migrate()

    assert wide.value("SELECT count(*) FROM main.a") == 0


def test_a_key_that_may_be_null_is_refused(wide: Scratch) -> None:
    wide.migration("0002_fill", "-- backfill: key=v\nUPDATE main.a SET touched = 1;")

    with pytest.raises(ConfigurationError, match="may be NULL"):
        wide.migrate()


def test_keys_of_other_types_keep_their_order(wide: Scratch) -> None:
    wide.migration(
        "0002_t",
        """
        CREATE TABLE main.t (k text PRIMARY KEY, n integer NOT NULL DEFAULT 0);
        INSERT INTO main.t (k) SELECT md5(i::text) || E'\\\\''"é' FROM generate_series(1, 900) AS i;
        CREATE TABLE main.u (k uuid PRIMARY KEY, n integer NOT NULL DEFAULT 0);
        INSERT INTO main.u (k) SELECT gen_random_uuid() FROM generate_series(1, 900) AS i;
        """,
        "DROP TABLE main.t, main.u;",
    )
    wide.migration("0003_t", "-- backfill: key=k batch=100\nUPDATE main.t SET n = n + 1;")
    wide.migration("0004_u", "-- backfill: key=k batch=100\nUPDATE main.u SET n = n + 1;")

    wide.migrate()

    assert wide.value("SELECT count(*) FROM main.t WHERE n = 1") == 900
    assert wide.value("SELECT count(*) FROM main.u WHERE n = 1") == 900
