"""COPY … FROM stdin with its data in the file, as pg_dump writes it."""

from __future__ import annotations

import pytest

from dbkit.errors import ConfigurationError, DbkitError
from scratch import Scratch

DUMP = r"""\restrict abc
CREATE TABLE main.a (i integer, t text);

COPY main.a (i, t) FROM stdin;
1	it's; -- no comment
2	\N
3	$$ "
4	tab\there
\.


CREATE TABLE main.b AS SELECT count(*) AS n FROM main.a;
COPY main.a FROM STDIN WITH (FORMAT csv);
5,"a;b"
6,
\.
\unrestrict abc
"""


def test_data_in_the_file_is_loaded_between_the_statements_around_it(scratch: Scratch) -> None:
    scratch.migration("0001_a", DUMP, "DROP TABLE main.a, main.b;")

    scratch.migrate()

    with scratch.connect() as connection:
        rows = connection.execute("SELECT i, t FROM main.a ORDER BY i").fetchall()
    assert rows == [(1, "it's; -- no comment"), (2, None), (3, '$$ "'), (4, "tab\there"), (5, "a;b"), (6, None)]
    assert scratch.value("SELECT n FROM main.b") == 4
    assert scratch.states() == {"0001_a": "applied"}

    scratch.migration(
        "0001_a", "-- a new comment\n" + DUMP.replace("CREATE TABLE main.a", "create table  main.a"), "DROP TABLE main.a, main.b;"
    )
    assert scratch.migrate().cosmetic == ("main/0001_a",)
    scratch.migration("0001_a", DUMP.replace("tab\\there", "tab there"), "DROP TABLE main.a, main.b;")
    with pytest.raises(ConfigurationError, match="was edited after it had been applied"):
        scratch.migrate()


@pytest.mark.parametrize(
    ("script", "line", "sqlstate"),
    [
        (DUMP.replace("3\t$$", "x\t$$"), 7, "22P02"),
        (DUMP.replace("5,", "5,6,"), 14, "22P04"),
        (DUMP.replace("SELECT count(*)", "SELECT 1 / 0, count(*)"), 12, "22012"),
        (DUMP.replace("CREATE TABLE main.b", "CREATE TABEL main.b"), 12, None),
        (DUMP + "SELECT nothing;", 18, "42703"),
        (DUMP.replace("COPY main.a (i", "COPY main.x (i"), 4, "42P01"),
    ],
)
def test_an_error_names_its_line_in_and_after_the_data(scratch: Scratch, script: str, line: int, sqlstate: str | None) -> None:
    scratch.migration("0001_a", script)

    with pytest.raises(DbkitError) as caught:
        scratch.migrate()

    assert caught.value.where == f"{scratch.root}/migrations/main/0001_a.sql:{line}"
    assert caught.value.sqlstate == sqlstate
    assert scratch.tables() == set()
    scratch.migration("0001_a", DUMP)
    scratch.migrate()  # the connection and the journal are as they should be
    assert scratch.tables() == {"a", "b"}


def test_copy_to_stdout_and_data_without_an_end_are_refused(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);\nCOPY main.a TO stdout;")
    with pytest.raises(ConfigurationError, match="TO stdout"):
        scratch.migrate()
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);\nCOPY main.a FROM stdin;\n1\n2\n")
    with pytest.raises(ConfigurationError, match="without an end of its data") as caught:
        scratch.migrate()
    assert (caught.value.where or "").endswith("0001_a.sql:2")


@pytest.mark.parametrize("behind", [" CREATE TABLE main.z ();", " COMMIT;", "\tSELECT 1 -- more"])
def test_what_stands_behind_a_copy_on_its_line_is_refused(scratch: Scratch, behind: str) -> None:
    """The data begins on the next line, and nobody would send the rest of this one."""
    scratch.migration("0001_a", f"CREATE TABLE main.a (i integer);\nCOPY main.a FROM stdin;{behind}\n1\n\\.\n")
    with pytest.raises(ConfigurationError, match="something behind it") as caught:
        scratch.migrate()
    assert (caught.value.where or "").endswith("0001_a.sql:2")

    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);\nCOPY main.a FROM stdin; -- one\n1\n\\.\n")
    scratch.migrate()
    assert scratch.column("SELECT i FROM main.a") == [1]
