"""Functions and views: changed in shape, changed by hand, in the way."""

from __future__ import annotations

from dbkit.selftest.arena import PROJECT
from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import SERVICE, Trial

FUNCTION = "CREATE OR REPLACE FUNCTION main.f({parameters}) RETURNS {type} LANGUAGE sql AS 'SELECT {value}';\n"
APP = f"{PROJECT}_{SERVICE}_app"
SIGNATURES = (
    "SELECT oid::regprocedure::text || ' ' || prorettype::regtype FROM pg_proc WHERE proname = 'f' AND pronamespace = 'main'::regnamespace"
)


@fault(
    39,
    "a function's parameters and return type change",
    "the old one is dropped by its exact signature, no overload stays, its privileges are kept; refused while something needs it",
)
def changed_shape(trial: Trial) -> None:
    trial.table("0001_a")
    trial.routine("f", FUNCTION.format(parameters="p integer", type="integer", value="1"))
    trial.run("migrate", code=0)
    trial.value("REVOKE EXECUTE ON FUNCTION main.f(integer) FROM PUBLIC")
    trial.value(f"GRANT EXECUTE ON FUNCTION main.f(integer) TO {APP}")
    for parameters, kind, value in (("p integer", "text", "''two''"), ("p integer, q text", "text", "''three''")):
        trial.routine("f", FUNCTION.format(parameters=parameters, type=kind, value=value))
        trial.run("migrate", code=0)
        inside = ",".join(part.split()[1] for part in parameters.split(", "))
        expect(trial.column(SIGNATURES), [f"main.f({inside}) {kind}"], "the functions of that name")
        may = f"SELECT has_function_privilege('{APP}', 'main.f({inside})', 'EXECUTE')"
        expect(trial.value(may), True, "whether the app may still call it")
        anybody = f"SELECT has_function_privilege('public', 'main.f({inside})', 'EXECUTE')"
        expect(trial.value(anybody), False, "whether anybody may call it")
    trial.value("CREATE VIEW public.needs_f AS SELECT main.f(1, 'x')")
    trial.routine("f", FUNCTION.format(parameters="p integer", type="integer", value="4"))
    refused = trial.run("migrate")
    expect(refused.code in {1, 2}, True, f"the exit code while a view needs it ({refused.code})")
    expect_in("needs_f", refused.text, "who needs it")
    expect(trial.column(SIGNATURES), ["main.f(integer,text) text"], "the functions after it was refused")


@fault(40, "a function was changed by hand in the database", "the deploy stops with the difference; --adopt or --overwrite decides")
def changed_by_hand(trial: Trial) -> None:
    trial.table("0001_a")
    trial.routine("f", FUNCTION.format(parameters="", type="integer", value="1"))
    trial.run("migrate", code=0)
    trial.value(FUNCTION.format(parameters="", type="integer", value="99"))
    trial.routine("f", FUNCTION.format(parameters="", type="integer", value="2"))
    stopped = trial.run("migrate")
    expect(stopped.code in {1, 2}, True, f"the exit code of a deploy over a change by hand ({stopped.code})")
    for part in ("99", "--adopt", "--overwrite"):
        expect_in(part, stopped.text, "what is said")
    expect(trial.value("SELECT main.f()"), 99, "the function after the deploy stopped")
    trial.run("migrate", "--overwrite", code=0)
    expect(trial.value("SELECT main.f()"), 2, "the function after --overwrite")


@fault(
    41,
    "a view and a trigger depend on a column that a migration drops",
    "they are dropped in its transaction, and come again with options and privileges",
)
def in_the_way(trial: Trial) -> None:
    trial.migration("0001_a", "CREATE TABLE main.a (i integer, j integer);", "DROP TABLE main.a;")
    view = (
        f"CREATE OR REPLACE VIEW main.v WITH (security_invoker = true) AS SELECT i{{more}} FROM main.a;\nGRANT SELECT ON main.v TO {APP};\n"
    )
    trial.routine("v", view.format(more=", j"))
    trial.routine("w", "CREATE OR REPLACE VIEW main.w AS SELECT i FROM main.v;\n")
    trial.run("migrate", code=0)
    trial.migration("0002_b", "ALTER TABLE main.a DROP COLUMN j;", "ALTER TABLE main.a ADD COLUMN j integer;")
    trial.routine("v", view.format(more=""))
    expect_in("main.v", trial.run("migrate", "--dry-run", code=0).text, "what the dry run names")
    outcome = trial.run("migrate", code=0)
    expect_in("in the way of 0002_b", outcome.text, "what the run says")
    expect(trial.tables(), {"a", "v", "w"}, "tables and views")
    expect(trial.value("SELECT reloptions FROM pg_class WHERE oid = 'main.v'::regclass"), ["security_invoker=true"], "options of the view")
    expect(trial.value(f"SELECT has_table_privilege('{APP}', 'main.v', 'SELECT')"), True, "whether the app may still read it")
    trial.run("rollback", "main", "--to", "0001", code=0)
    trial.value("SELECT j FROM main.v")
