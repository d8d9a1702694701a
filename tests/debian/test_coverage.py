"""What the tests ran of the functions, as plpgsql_check's profiler sees it: by `dbkit test`, and by pytest in two processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scratch import Scratch, process_environment

CI = Path(__file__).parents[2] / "ci" / "coverage.py"
# the macro stands on line 6, and counts for the line before
JUDGE = """
-- A comment above.
{% from "macros.sql.j2" import guard %}
CREATE FUNCTION {{ schema }}.judge(p_number integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_word text;
BEGIN
    {{ guard() }}
    IF p_number < 0 THEN
        v_word := 'negative';
    END IF;
    BEGIN
        v_word := coalesce(v_word, {{ schema }}.parity(100 / p_number));
    EXCEPTION WHEN division_by_zero THEN
        RETURN 'nothing';
    END;
    IF p_number > 1000 THEN
        v_word := 'large';
    ELSE
        PERFORM p_number;
    END IF;
    RETURN v_word;
END $$;
"""
PARITY = """
CREATE FUNCTION {{ schema }}.parity(p_number integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE p_number % 2 WHEN 0 THEN 'even' ELSE 'odd' END;
CREATE FUNCTION {{ schema }}.idle() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1;
CREATE FUNCTION {{ schema }}.tg_a() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON {{ schema }}.a FOR EACH ROW EXECUTE FUNCTION {{ schema }}.tg_a();
"""
GUARD = """
{% macro guard() -%}
IF p_number IS NULL THEN
    RETURN 'unknown';
END IF;
{%- endmacro %}
"""


TWICE = """
{% macro twice(name) %}
CREATE FUNCTION main.{{ name }}(p_number integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF p_number > 10 THEN
        p_number := 10;
    END IF;
    IF p_number < 0 THEN
        p_number := 0;
    END IF;
    RETURN p_number;
END $$;
{% endmacro %}
"""


@pytest.fixture
def judge(scratch: Scratch) -> Scratch:
    """A service with functions of both languages, and a trigger's."""
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.write("schemas/_shared/macros.sql.j2", GUARD)
    scratch.write("schemas/main/judge.sql.j2", JUDGE)
    scratch.write("schemas/main/parity.sql.j2", PARITY)
    return scratch


def record(text: str, path: str) -> set[str]:
    """Return what the report says of a file."""
    found = [part for part in text.split("end_of_record\n") if f"SF:{path}\n" in part]
    assert len(found) == 1, text
    return set(found[0].splitlines())


def test_what_the_sql_tests_ran_is_told_by_the_template_s_lines(judge: Scratch) -> None:
    judge.write(
        "tests/main/a.sql",
        """
        -- test: a number is judged
        SELECT FROM (VALUES ('odd', 4), ('nothing', 0)) AS t (word, number) WHERE main.judge(number) <> word;

        -- test: no row goes in
        -- raises: P0001
        INSERT INTO main.a VALUES (1);
        """,
    )

    told = judge.call("test", "main", "--coverage", "found.lcov", code=0)

    assert "8 of 11 statements ran: found.lcov" in told.out
    text = (judge.root / "found.lcov").read_text(encoding="utf-8")
    found = record(text, "schemas/main/judge.sql.j2")
    assert {"FN:3,judge", "FNDA:2,judge", "DA:5,0", "DA:7,2", "DA:8,0", "DA:11,2", "DA:13,1", "DA:16,0", "DA:18,1", "DA:20,1"} <= found
    # the IF without ELSE was always passed by; the last one went by its ELSE alone
    assert {"BRDA:7,3,0,2", "BRDA:7,3,1,0"} <= found
    found = record(text, "schemas/main/parity.sql.j2")
    assert {"FNDA:1,parity", "FNDA:0,idle", "FNDA:1,tg_a", "DA:6,1"} <= found

    checked = subprocess.run([sys.executable, CI, judge.root / "found.lcov"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert [line.split()[2] for line in checked.stdout.splitlines()[:-1]] == ["idle", "judge"]
    assert "schemas/main/judge.sql.j2:5,8,16" in checked.stdout


def test_a_line_of_a_macro_that_makes_functions_counts_in_all_of_them(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    scratch.write("schemas/_shared/twice.sql.j2", TWICE)
    scratch.write("schemas/main/both.sql.j2", """{% from "twice.sql.j2" import twice %}\n{{ twice("one") }}\n{{ twice("other") }}""")
    scratch.write(
        "tests/main/a.sql",
        """
        -- test: either keeps within its limits
        SELECT FROM (VALUES (main.one(11), 10), (main.one(5), 5), (main.other(5), 5)) AS t (found, wanted) WHERE found <> wanted;
        """,
    )

    scratch.call("test", "main", "--coverage", "found.lcov", code=0)

    text = (scratch.root / "found.lcov").read_text(encoding="utf-8")
    found = record(text, "schemas/_shared/twice.sql.j2")
    assert {"FN:2,one", "FN:2,other", "FNDA:2,one", "FNDA:1,other", "DA:4,3", "DA:5,1", "DA:7,3", "DA:8,0", "DA:10,3"} <= found
    checked = subprocess.run([sys.executable, CI, scratch.root / "found.lcov"], capture_output=True, text=True, check=False)
    assert [line.split()[2:] for line in checked.stdout.splitlines()[:-1]] == [["other", "schemas/_shared/twice.sql.j2:8"]]


def test_what_several_processes_ran_is_one_report(judge: Scratch) -> None:
    for name, number, word in (("a", 4, "odd"), ("b", 2000, "large"), ("c", -1, "negative")):
        judge.write(
            f"tests/test_{name}.py",
            f"""
            def test_it(pg_service):
                app = pg_service("main").connect("owner")
                assert app.execute("SELECT main.judge({number}), main.idle()").fetchone() == ("{word}", 1)
            """,
        )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests"],
        cwd=judge.root,
        env=process_environment(DBKIT_TEST_COVERAGE="found.lcov"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    text = (judge.root / "found.lcov").read_text(encoding="utf-8")
    assert {"FNDA:3,judge", "DA:8,1", "DA:13,0", "DA:16,1", "DA:18,2"} <= record(text, "schemas/main/judge.sql.j2")
    assert {"FNDA:2,parity", "FNDA:3,idle", "FNDA:0,tg_a"} <= record(text, "schemas/main/parity.sql.j2")


def test_a_server_without_the_profiler_is_not_measured(judge: Scratch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests"],
        cwd=judge.root,
        env=process_environment(DBKIT_TEST_COVERAGE="found.lcov", DBKIT_TEST_POSTGRES="18"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 4
    assert "DBKIT_TEST_COVERAGE needs a server with plpgsql_check" in done.stderr
