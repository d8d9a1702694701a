"""Text that is wrong, or looks wrong and is not."""

from __future__ import annotations

from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.faults.files import before_connecting
from dbkit.selftest.trial import Trial


@fault(23, "a file that is not UTF-8, or holds NUL", "exit 2 with file and line, before a server is asked")
def not_utf8(trial: Trial) -> None:
    trial.table("0001_a")
    trial.migration("0002_b", b"CREATE TABLE main.b ();\n-- caf" + b"\xe9\n")
    before_connecting(trial, "0002_b.sql:2", "UTF-8")
    trial.migration("0002_b", b"CREATE TABLE main.b ();\nSELECT '\x00';\n")
    before_connecting(trial, "0002_b.sql:2", "NUL")


@fault(24, "an unterminated $$, quote or comment", "exit 2 at its line, nothing is sent")
def unterminated(trial: Trial) -> None:
    for line in ("DO $tag$ BEGIN", "SELECT 'never closed;", "/* never closed", 'SELECT 1 AS "never closed;'):
        trial.migration("0001_a", f"CREATE TABLE main.a ();\n{line}\n")
        trial.refused(where="0001_a.sql:2", says="unterminated")


TRICKY = r"""
CREATE TABLE main.t (i integer, "semi;colon" text DEFAULT ';', q text DEFAULT E'\';', p text DEFAULT '%s :name {} \ ?');
/* nested /* comment; */ with a ; */
CREATE FUNCTION main.outer_f() RETURNS text LANGUAGE plpgsql AS $outer$
BEGIN
    EXECUTE $inner$ SELECT 1; $inner$;
    RETURN $$a;b$$ || '--no comment' || E'\'';
END
$outer$;
CREATE FUNCTION main.atomic_f(p integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT p; SELECT p + 1; END;
CREATE RULE r AS ON INSERT TO main.t DO ALSO (SELECT 1; SELECT 2);
INSERT INTO main.t (i) VALUES (1) -- ; in a comment
;
DO $do$ BEGIN CASE WHEN TRUE THEN PERFORM 1; ELSE NULL; END CASE; END $do$
"""


@fault(
    25,
    "BEGIN ATOMIC, $$ in $$, E'\\'', nested comments, rules with semicolons",
    "split where PostgreSQL's parser splits, and stored as written",
)
def tricky_text(trial: Trial) -> None:
    trial.migration("0001_a", TRICKY)
    trial.migration(
        "0002_b", "-- transactional: false\n" + TRICKY.replace("main.t", "main.u").replace("_f(", "_g(").replace("RULE r", "RULE s")
    )
    trial.run("migrate", code=0)
    for table, functions in (("t", "f"), ("u", "g")):
        expect(trial.rows(f'SELECT i, "semi;colon", q, p FROM main.{table}'), [(1, ";", "';", "%s :name {} \\ ?")], f"the row of {table}")
        expect(trial.value(f"SELECT main.outer_{functions}() || main.atomic_{functions}(1)"), "a;b--no comment'2", "the functions")


@fault(26, "COPY … FROM stdin with its data in the file", "the rows go in; an error names the line of the data")
def copy_data(trial: Trial) -> None:
    head = "CREATE TABLE main.a (i integer, t text);\nCOPY main.a (i, t) FROM stdin;\n"
    trial.migration("0001_a", f"{head}1\tone; '$$\nx\ttwo\n\\.\nSELECT 1;\n")
    expect_in("0001_a.sql:4", trial.run("migrate", code=1).text, "where it failed")
    expect(trial.tables(), set(), "tables after the failure")
    trial.migration("0001_a", f"{head}1\tone; '$$\n2\t\\N\n\\.\nINSERT INTO main.a VALUES (3, 'after');\n")
    trial.run("migrate", code=0)
    expect(trial.rows("SELECT i, t FROM main.a ORDER BY i"), [(1, "one; '$$"), (2, None), (3, "after")], "the rows")


@fault(27, "psql's commands, and pg_dump's \\restrict", "\\i and \\set are named and refused, \\restrict is passed over")
def psql_commands(trial: Trial) -> None:
    for command in ("\\i other.sql", "\\set x 1", "\\connect other"):
        trial.migration("0001_a", f"CREATE TABLE main.a ();\n{command}\n")
        trial.refused(where="0001_a.sql:2", says=command.split()[0])
    trial.migration(
        "0001_a", "\\restrict aB3\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE main.a ();\n\\unrestrict aB3\n"
    )
    trial.run("migrate", code=0)
    expect(trial.tables(), {"a"}, "tables")


CONTROL = {
    "COMMIT;": "dbkit owns the transaction",
    "ROLLBACK;": "dbkit owns the transaction",
    "SAVEPOINT s;": "dbkit owns the transaction",
    "BEGIN;": "dbkit owns the transaction",
    "DO $$ BEGIN COMMIT; END $$;": "COMMIT inside a DO block",
}


@fault(
    28,
    "COMMIT, ROLLBACK or SAVEPOINT in a migration, open, in a DO block, or hidden",
    "lint and migrate refuse it; what hides is refused by the server, and nothing is marked",
)
def transaction_control(trial: Trial) -> None:
    for number, line in enumerate(CONTROL, 1):
        trial.migration(f"000{number}_a", f"CREATE TABLE main.a ();\n{line}\n")
    found = trial.run("lint", code=1).text
    for number, says in enumerate(CONTROL.values(), 1):
        expect_in(f"000{number}_a.sql:2", found, "where lint finds it")
        expect_in(says, found, "what lint says")
        trial.remove(f"000{number}_a")
    for line, says in CONTROL.items():
        trial.migration("0009_a", f"CREATE TABLE main.a ();\n{line}\n")
        trial.refused(where="0009_a.sql:2", says=says)
    trial.remove("0009_a")
    trial.value("CREATE PROCEDURE public.sneaky() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
    for line in ("CALL public.sneaky()", "DO $$ BEGIN EXECUTE 'COM' || 'MIT'; END $$"):
        trial.migration("0001_a", f"CREATE TABLE main.a ();\n{line};\n")
        expect_in("0001_a.sql:2", trial.run("migrate", code=1).text, "where it failed")
        expect((trial.tables(), trial.applied()), (set(), []), "tables and marks after a hidden COMMIT")


BARE = {
    "CREATE INDEX CONCURRENTLY a_i_idx ON main.a (i)": "CREATE INDEX CONCURRENTLY",
    "DROP INDEX CONCURRENTLY main.a_i_idx": "DROP INDEX CONCURRENTLY",
    "REINDEX TABLE CONCURRENTLY main.a": "REINDEX CONCURRENTLY",
    "REINDEX (CONCURRENTLY) INDEX main.a_i_idx": "REINDEX CONCURRENTLY",
    "ALTER TABLE main.p DETACH PARTITION main.p1 CONCURRENTLY": "DETACH PARTITION CONCURRENTLY",
    "VACUUM main.a": "VACUUM",
    "CREATE DATABASE other": "CREATE DATABASE",
    "ALTER SYSTEM SET work_mem = '8MB'": "ALTER SYSTEM",
}


@fault(
    29,
    "a statement that can't be in a transaction, without the header",
    "refused before anything runs, with the line and the header to add",
)
def bare_statements(trial: Trial) -> None:
    for statement, name in BARE.items():
        trial.migration("0001_a", f"CREATE TABLE main.a (i integer);\n{statement};\n")
        refused = trial.refused(where="0001_a.sql:2", says=f"{name} can't run inside a transaction")
        expect_in("-- transactional: false", refused.text, "the header to add")


@fault(30, "a header that is misspelt, misplaced or twice", "exit 2 at its line, with the right spelling")
def headers(trial: Trial) -> None:
    for text, line, says in (
        ("-- transactionl: false\nCREATE TABLE main.a ();", 1, "did you mean 'transactional:'"),
        ("-- Transactional: false\nCREATE TABLE main.a ();", 1, "did you mean 'transactional:'"),
        ("-- transactional = false\nCREATE TABLE main.a ();", 1, "did you mean 'transactional:'"),
        ("-- transactional: no\nCREATE TABLE main.a ();", 1, "must be true or false"),
        ("CREATE TABLE main.a ();\n-- transactional: false\n", 2, "stands below the first statement"),
        ("-- depends: 0000_x\n-- depends: 0000_x\nCREATE TABLE main.a ();", 2, "stands twice"),
    ):
        trial.migration("0001_a", text)
        trial.refused(where=f"0001_a.sql:{line}", says=says)


@fault(
    31,
    "ALTER TYPE … ADD VALUE, and the label used in the same transaction",
    "lint says it beforehand; migrate names the line and leaves nothing",
)
def enum_label(trial: Trial) -> None:
    trial.migration("0001_e", "CREATE TYPE main.e AS ENUM ('a');", "DROP TYPE main.e;")
    trial.run("migrate", code=0)
    trial.migration("0002_b", "ALTER TYPE main.e ADD VALUE 'b';\nCREATE TABLE main.b AS SELECT 'b'::main.e AS e;\n")
    failed = trial.run("migrate")
    expect(failed.code in {1, 2}, True, f"the exit code ({failed.code})")
    expect_in("0002_b.sql:2", failed.text, "where it failed")
    expect_in("next migration", failed.text, "what to do")
    expect(trial.column("SELECT enumlabel FROM pg_enum"), ["a"], "labels after the failure")
    found = trial.run("lint")
    expect_in("0002_b.sql:2", found.text, "what lint finds")
    expect_in("next migration", found.text, "what lint says to do")


def _template(trial: Trial, text: str) -> None:
    trial.write("migrations/main/0002_b.sql.j2", text)
    trial.write("migrations/main/0002_b.rollback.sql", "SELECT 1;")


@fault(
    44,
    "an undefined Jinja variable, an unset secret, an empty rendering",
    "exit 2 at its line, before a server is asked",
)
def templates(trial: Trial) -> None:
    trial.table("0001_a")
    _template(trial, "-- one\nCREATE TABLE {{ shema }}.b ();\n")
    before_connecting(trial, "0002_b.sql.j2:2", "shema")
    _template(trial, "{% if false %}CREATE TABLE main.b ();{% endif %}\n")
    before_connecting(trial, "0002_b.sql.j2:1", "renders to nothing")
    _template(trial, "CREATE TABLE main.b (i integer DEFAULT {{ rules.limit }});\n")
    before_connecting(trial, "0002_b.sql.j2:1", "rules")
    _template(trial, "CREATE TABLE {{ schema }}.b ();\n")
    trial.manifest(url="env:SELFTEST_URL_THAT_IS_NOT_SET")
    expect_in("SELFTEST_URL_THAT_IS_NOT_SET", trial.run("migrate", code=2).text, "which variable is missing")


@fault(45, "a template that renders to another text each time", "what could make two texts of one is refused at its line")
def unsteady(trial: Trial) -> None:
    trial.table("0001_a")
    _template(trial, "CREATE TABLE main.b (i integer DEFAULT {{ range(1000000000) | random }});\n")
    before_connecting(trial, "0002_b.sql.j2", "a random value has no place in SQL")


@fault(46, "0002.SQL, ._0002_b.sql, editors' backups, links, a stray .py", "each is named: neither run nor passed over in silence")
def stray_files(trial: Trial) -> None:
    trial.table("0001_a")
    folder = trial.root / "migrations/main"
    for name in (
        "0002_b.SQL",
        "._0002_b.sql",
        "0002_b.sql~",
        "#0002_b.sql#",
        "0002_b.sql.orig",
        "0002_b.py",
        "0002_b.txt",
        "0002_b.sql.swp",
    ):
        trial.write(f"migrations/main/{name}", "CREATE TABLE main.b ();\n")
        trial.refused(where=f"migrations/main/{name}:1", says="neither run nor skipped")
        (folder / name).unlink()
    for target in ("0001_a.sql", "0002_b.sql"):  # to another file, and to itself
        (folder / "0002_b.sql").symlink_to(target)
        trial.refused(where="migrations/main/0002_b.sql:1", says="a link")
        (folder / "0002_b.sql").unlink()
