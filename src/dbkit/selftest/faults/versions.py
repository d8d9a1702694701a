"""A server that is not the one that the files were written for."""

from __future__ import annotations

from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import Trial

TOO_NEW = {  # by the first major that knows it
    16: "CREATE TABLE main.b AS SELECT any_value(i) AS i FROM main.a;\n",
    17: "CREATE TABLE main.b AS SELECT * FROM json_table('[1]'::jsonb, '$[*]' COLUMNS (i integer PATH '$')) AS t;\n",
    18: "CREATE TABLE main.b (i integer, j integer GENERATED ALWAYS AS (i + 1) VIRTUAL);\n",
    99: "CREATE TABLE main.b () WITH (not_invented_yet = true);\n",
}


@fault(
    52,
    "the server is of another version than the files were written for",
    "what it does not know fails at its line and leaves nothing; routines go to the servers that they are for; status names the version",
)
def another_version(trial: Trial) -> None:
    major = int(trial.value("SELECT current_setting('server_version_num')::integer / 10000"))
    trial.table("0001_a")
    for bound, name in ((f">= {major}", "f"), (f"< {major}", "g"), (f">= {major + 1}", "h"), (f"= {major}", "i")):
        trial.routine(name, f"-- server: {bound}\nCREATE OR REPLACE FUNCTION main.{name}() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n")
    trial.run("migrate", code=0)
    functions = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'main'::regnamespace ORDER BY 1"
    expect(trial.column(functions), ["f", "i"], "routines that were sent")
    first = min(number for number in TOO_NEW if number > major)
    trial.migration("0002_b", f"SELECT 1;\n{TOO_NEW[first]}")
    failed = trial.run("migrate")
    expect(failed.code in {1, 2}, True, f"the exit code ({failed.code})")
    expect_in("0002_b.sql:2", failed.text, "where it failed")
    expect(trial.tables(), {"a"}, "tables after the failure")
    served = trial.run("--format", "json", "status", code=0).document["services"][0]["server"]
    expect_in(f"PostgreSQL {major}", served, "the version that status names")
