"""Whatever a history makes, changes and takes away again: its squash makes the same."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from scratch import Scratch

CHANGES = [
    "CREATE TABLE main.t{n} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text DEFAULT 'x');",
    "ALTER TABLE main.base ADD COLUMN c{n} integer NOT NULL DEFAULT {n};",
    "ALTER TABLE main.base DROP COLUMN IF EXISTS c{m};",
    "INSERT INTO main.base (note) SELECT 'row ' || g || E'\\n;' FROM generate_series(1, {n}) AS g;",
    "CREATE INDEX base_note_{n}_idx ON main.base (note, id) WHERE id > {n};",
    "CREATE VIEW main.v{n} AS SELECT id, note FROM main.base WHERE id > {n};",
    "CREATE TYPE main.e{n} AS ENUM ('a', 'b'); ALTER TYPE main.e{n} ADD VALUE 'c' BEFORE 'b'; CREATE TABLE main.u{n} (e main.e{n} UNIQUE);",
    "CREATE FUNCTION main.f{n}(p_id bigint) RETURNS text LANGUAGE sql STABLE AS 'SELECT note FROM main.base WHERE id = p_id';",
    "UPDATE main.base SET note = upper(note) WHERE id % 2 = 0; DELETE FROM main.base WHERE id = {n};",
    "GRANT SELECT ON main.base TO scratch_main_app; COMMENT ON TABLE main.base IS 'it''s {n}';",
    "ALTER TABLE main.base ALTER COLUMN note TYPE varchar({n}00);",
    "CREATE TABLE main.d{n} (); DROP TABLE main.d{n};",
    "CREATE SEQUENCE main.s{n} INCREMENT BY {n}; SELECT nextval('main.s{n}');",
    "CREATE TABLE main.r{n} (id bigint REFERENCES main.base DEFERRABLE, EXCLUDE (id WITH =));",
    "CREATE STATISTICS main.st{n} ON id, note FROM main.base;",
    "CREATE DOMAIN main.dom{n} AS text CHECK (VALUE <> ''); ALTER TABLE main.base ADD COLUMN IF NOT EXISTS w{n} main.dom{n};",
    "CREATE POLICY p{n} ON main.base USING (id > {n}); ALTER TABLE main.base ENABLE ROW LEVEL SECURITY;",
]


@settings(max_examples=4)
@given(st.lists(st.sampled_from(CHANGES), min_size=3, max_size=12))
def test_a_squash_makes_what_its_history_makes(scratch: Scratch, changes: list[str]) -> None:
    folder = scratch.root / "migrations/main"
    for path in folder.glob("*") if folder.is_dir() else []:
        path.unlink()
    scratch.migration("0001_base", "CREATE TABLE main.base (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);")
    for number, change in enumerate(changes, 2):
        # policies and views hold a column's type: such a history is not one
        if "TYPE varchar" in change and any("POLICY" in c or "VIEW" in c or "FUNCTION" in c or "INDEX" in c for c in changes):
            continue
        scratch.migration(f"{number:04}_c", change.format(n=number, m=number - 1))
    last = max(path.name for path in folder.iterdir()).partition(".")[0]
    if last == "0001_base":
        return
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all", "--allow-empty"]):
        subprocess.run(["git", *command], cwd=scratch.root, check=True)

    done = scratch.call("--format", "json", "squash", "main", "--to", last, code=0).document

    assert done["baseline"] == [f"migrations/main/{last[:4]}_baseline.sql", f"migrations/main/{last[:4]}_baseline.rollback.sql"]
    assert done["notes"] == []
