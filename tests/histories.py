"""A long history of changes with what real ones have in them, written down the way each tool has it."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scratch import Scratch

BARE = "CREATE INDEX CONCURRENTLY"


@dataclass(frozen=True)
class Change:
    """One step both ways; `up` is what the database gets, whatever a tool writes around it."""

    number: int
    slug: str
    up: str
    down: str

    @property
    def bare(self) -> bool:
        return BARE in self.up

    @property
    def wraps(self) -> bool:
        return "BEGIN;\n" in self.up


def in_public(scratch: Scratch) -> Scratch:
    """Let the service live in `public`, as most tools' migrations take for granted."""
    manifest = scratch.root / "dbkit.toml"
    manifest.write_text(manifest.read_text().replace("[services.main]\n", '[services.main]\nschema = "public"\n'))
    return scratch


def history(count: int = 120) -> list[Change]:
    """Return changes of which each tenth needs the one before it: a wrong order fails."""
    kinds = [_table, _column, _function, _view, _index, _atomic, _rows, _type, _block, _trigger]
    return [Change(n, *kinds[n % 10](n, n // 10)) for n in range(count)]


def _table(n: int, g: int) -> tuple[str, str, str]:
    up = f"""\
-- depends: is a word of ours, and here a comment
-- Transactional: so is this
CREATE TABLE t_{g} (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT t_{g}_pkey PRIMARY KEY,
    note text NOT NULL DEFAULT '100% of {{x}}, :y, \\n; BEGIN',
    grid integer[] DEFAULT '{{{{1,2}},{{3,4}}}}'
);
COMMENT ON TABLE t_{g} IS '-- migrate:down inside of a text';
GRANT SELECT ON t_{g} TO PUBLIC;
"""
    return f"create_t_{g}", up, f"DROP TABLE t_{g};\n"


def _column(n: int, g: int) -> tuple[str, str, str]:
    up = f"ALTER TABLE t_{g}\r\n    ADD COLUMN amount numeric(12, 2);\r\n"
    return f"add_amount_{g}", up, f"ALTER TABLE t_{g} DROP COLUMN amount;\r\n"


def _function(n: int, g: int) -> tuple[str, str, str]:
    up = f"""\
CREATE FUNCTION total_{g}(p_factor integer) RETURNS numeric LANGUAGE plpgsql AS $body$
DECLARE v_total numeric;
BEGIN
    IF p_factor % 2 = 0 THEN
        SELECT sum(amount) INTO v_total FROM t_{g};
    END IF;
    RETURN v_total; -- ; and $$
END;
$body$;
"""
    return f"total_{g}", up, f"DROP FUNCTION total_{g}(integer);\n"


def _view(n: int, g: int) -> tuple[str, str, str]:
    up = f"CREATE VIEW big_{g} AS SELECT id, note, amount FROM t_{g} WHERE amount > 10\n-- a comment, and no newline at the end"
    return f"big_{g}", up, f"DROP VIEW big_{g}"


def _index(n: int, g: int) -> tuple[str, str, str]:
    return f"index_amount_{g}", f"{BARE} t_{g}_amount_idx ON t_{g} (amount);\n", f"DROP INDEX CONCURRENTLY t_{g}_amount_idx;\n"


def _atomic(n: int, g: int) -> tuple[str, str, str]:
    up = f"CREATE FUNCTION count_{g}() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM t_{g}; SELECT 1; END;\n"
    return f"count_{g}", up, f"DROP FUNCTION count_{g}();\n"


def _rows(n: int, g: int) -> tuple[str, str, str]:
    up = f"INSERT INTO t_{g} (note, amount) VALUES ('it''s; 100%', 5), (E'a\\'b;', 50), ($q$ $$ ; $q$, 7);;\n"
    return f"rows_{g}", up, f"DELETE FROM t_{g};\n"


def _type(n: int, g: int) -> tuple[str, str, str]:
    up = f"/* nested /* comment; */ */\nCREATE TYPE state_{g} AS ENUM ('new', 'paid');\nALTER TABLE t_{g} ADD state state_{g};"
    return f"state_{g}", up, f"ALTER TABLE t_{g} DROP state;\nDROP TYPE state_{g};"


def _block(n: int, g: int) -> tuple[str, str, str]:
    up = f"""\
BEGIN;
SET search_path = public, pg_temp;
DO $$
BEGIN
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT t_{g}_amount_check CHECK (amount >= 0)', 't_{g}');
END;
$$;
COMMIT;
"""
    return f"check_{g}", up, f"BEGIN;\nALTER TABLE t_{g} DROP CONSTRAINT t_{g}_amount_check;\nCOMMIT;\n"


def _trigger(n: int, g: int) -> tuple[str, str, str]:
    up = f"""\
CREATE FUNCTION tg_{g}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note := upper(NEW.note); RETURN NEW; END$$;
CREATE TRIGGER t_{g}_upper BEFORE INSERT ON t_{g} FOR EACH ROW EXECUTE FUNCTION tg_{g}();
"""
    return f"upper_{g}", up, f"DROP TRIGGER t_{g}_upper ON t_{g};\nDROP FUNCTION tg_{g}();\n"


@dataclass(frozen=True)
class Tool:
    """How a tool keeps its folder and its table."""

    name: str
    write: Callable[[Path, Sequence[Change]], None]
    record: Callable[[Any, Path, Sequence[Change]], None] | None
    has_downs: bool = True


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 the tools' own


def _save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


# flyway


def _flyway_version(n: int) -> str:
    return f"{n // 12 + 1}.{n % 12}" if n % 2 else f"{n // 12 + 1}_{n % 12}"  # 1.2 before 1.10, dots and underscores


def write_flyway(folder: Path, changes: Sequence[Change]) -> None:
    _save(folder / "flyway.conf", "# settings\nflyway.placeholders.who = PUBLIC\nflyway.placeholders.word = paid\n")
    for change in changes:
        inner = folder / ("core" if change.number % 3 else "more/deep")
        up = change.up.replace("TO PUBLIC", "TO ${who}").replace("'paid'", "'${word}'")
        _save(inner / f"V{_flyway_version(change.number)}__{change.slug}.sql", ("\ufeff" if change.number % 7 == 0 else "") + up)
        _save(inner / f"U{_flyway_version(change.number)}__{change.slug}.sql", change.down)
    _save(folder / "R__summary.sql", "CREATE OR REPLACE VIEW summary AS SELECT count(*) AS rows FROM t_0;\n")
    _save(folder / "beforeMigrate.sql", "SELECT 1;\n")
    _save(folder / "README.md", "# Migrations\n")


def record_flyway(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("""
        CREATE TABLE flyway_schema_history (
            installed_rank integer NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY, version varchar(50),
            description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer,
            installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(),
            execution_time integer NOT NULL, success boolean NOT NULL
        );
        CREATE INDEX flyway_schema_history_s_idx ON flyway_schema_history (success);
        INSERT INTO flyway_schema_history VALUES (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', 'x', NULL, 'me', now(), 0, true);
    """)
    for path in sorted(folder.rglob("V*.sql")):
        version = re.split("__", path.stem[1:])[0].replace("_", ".")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        crc = zlib.crc32("".join(lines).encode())
        connection.execute(
            "INSERT INTO flyway_schema_history SELECT coalesce(max(installed_rank), 0) + 1, %s, 'x', 'SQL', %s, %s, 'me', now(), 1, true"
            " FROM flyway_schema_history",
            [version, path.name, crc - (1 << 32) if crc >= 1 << 31 else crc],
        )
    connection.execute("INSERT INTO flyway_schema_history VALUES (9000, NULL, 'summary', 'SQL', 'R__summary.sql', 1, 'me', now(), 1, true)")


# golang-migrate


def write_golang_migrate(folder: Path, changes: Sequence[Change]) -> None:
    for change in changes:
        stem = f"{change.number + 1}_{change.slug}"  # 9 before 10
        _save(folder / f"{stem}.up.sql", change.up)
        _save(folder / f"{stem}.down.sql", change.down)
    for direction in ("up", "down"):
        _save(folder / f"{len(changes) + 1}_nothing.{direction}.sql", "-- nothing to do")


def record_golang_migrate(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
    connection.execute("INSERT INTO schema_migrations VALUES (%s, false)", [len(changes) + 1])


# dbmate


def write_dbmate(folder: Path, changes: Sequence[Change]) -> None:
    for change in changes:
        option = " transaction:false" if change.bare or change.wraps else ""
        newline = "" if change.up.endswith("\n") else "\n"
        text = f"-- what and why\n-- migrate:up{option}\n{change.up}{newline}\n-- migrate:down{option}\n{change.down}"
        _save(folder / f"{20240101000000 + change.number}_{change.slug}.sql", text)


def record_dbmate(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)")
    for change in changes:
        connection.execute("INSERT INTO schema_migrations VALUES (%s)", [str(20240101000000 + change.number)])


# goose


def write_goose(folder: Path, changes: Sequence[Change]) -> None:
    for change in changes:
        mark = "-- +goose no transaction\n" if change.bare or change.wraps else ""
        newline = "" if change.up.endswith("\n") else "\n"
        up = f"-- +goose StatementBegin\n{change.up}{newline}-- +goose StatementEnd\n" if "$" in change.up else change.up + newline
        text = f"{mark}--+goose up\n{up}\n-- +goose Down\n-- +goose StatementBegin\n{change.down}\n-- +goose StatementEnd\n"
        _save(folder / f"{change.number + 1}_{change.slug}.sql", text)


def record_goose(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("""
        CREATE TABLE goose_db_version (
            id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL,
            tstamp timestamp NOT NULL DEFAULT now()
        );
        INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true);
    """)
    for change in changes:  # each went in, out and in again, as older versions of goose write it down
        for is_applied in (True, False, True):
            connection.execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%s, %s)", [change.number + 1, is_applied])


# sqitch


def write_sqitch(folder: Path, changes: Sequence[Change]) -> None:
    who = "2024-01-01T00:00:00Z Somebody <somebody@example.com>"
    plan = ["%syntax-version=1.0.0", "%project=shop", "%uri=https://example.com/shop/", ""]
    _save(folder / "sqitch.conf", '[core]\n\tengine = pg\n\ttop_dir = db\n[deploy "variables"]\n\twho = PUBLIC\n')
    top = folder / "db"
    previous = ""
    for change in changes:
        plan.append(f"{change.slug} {f'[{previous}] ' if previous else ''}{who} # {change.slug}")
        previous = change.slug
        if change.number % 40 == 39:
            plan += [f"@v{change.number} {who} # a tag", ""]
        up = change.up.replace("TO PUBLIC", "TO :who")
        newline = "" if up.endswith("\n") else "\n"
        wraps = not (change.bare or change.wraps)
        up = f"-- Deploy {change.slug}\n\nBEGIN;\n\n{up}{newline};\n\nCOMMIT;\n" if wraps else up
        down = f"-- Revert {change.slug}\n\nBEGIN;\n{change.down}\n;\nCOMMIT;\n" if wraps else change.down
        _save(top / f"deploy/{change.slug}.sql", up)
        _save(top / f"revert/{change.slug}.sql", down)
        _save(top / f"verify/{change.slug}.sql", "BEGIN;\nSELECT 1;\nROLLBACK;\n")
    first = next(c for c in changes if c.slug == "total_0")  # reworked behind the last tag
    (top / "deploy/total_0.sql").rename(top / "deploy/total_0@v39.sql")
    (top / "revert/total_0.sql").rename(top / "revert/total_0@v39.sql")
    (top / "verify/total_0.sql").rename(top / "verify/total_0@v39.sql")
    plan.append(f"total_0 [total_0@v39] {who} # again")
    replaced = first.up.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    _save(top / "deploy/total_0.sql", f"BEGIN;\n{replaced.replace('sum(', 'max(')}COMMIT;\n")
    _save(top / "revert/total_0.sql", f"BEGIN;\n{replaced}COMMIT;\n")
    _save(top / "verify/total_0.sql", "SELECT 1;\n")
    _save(top / "sqitch.plan", "\n".join(plan) + "\n")


def record_sqitch(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("""
        CREATE SCHEMA sqitch;
        CREATE TABLE sqitch.projects (
            project text PRIMARY KEY, uri text NULL UNIQUE, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            creator_name text NOT NULL, creator_email text NOT NULL
        );
        CREATE TABLE sqitch.changes (
            change_id text PRIMARY KEY, script_hash text NULL, change text NOT NULL,
            project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE, note text NOT NULL DEFAULT '',
            committed_at timestamptz NOT NULL DEFAULT clock_timestamp(), committer_name text NOT NULL, committer_email text NOT NULL,
            planned_at timestamptz NOT NULL, planner_name text NOT NULL, planner_email text NOT NULL, UNIQUE (project, script_hash)
        );
        INSERT INTO sqitch.projects VALUES ('shop', 'https://example.com/shop/', now(), 'a', 'b'), ('other', NULL, now(), 'a', 'b');
    """)
    rows = [("shop", c.slug, folder / f"db/deploy/{'total_0@v39' if c.slug == 'total_0' else c.slug}.sql") for c in changes]
    for project, name, path in [*rows, ("shop", "total_0", folder / "db/deploy/total_0.sql"), ("other", "theirs", folder / "sqitch.conf")]:
        digest = _sha1(path.read_bytes())
        connection.execute(
            "INSERT INTO sqitch.changes VALUES (%s, %s, %s, %s, '', clock_timestamp(), 'a', 'b', now(), 'a', 'b')",
            [_sha1(f"{project}{path}".encode()), digest, name, project],
        )


# diesel


def _diesel_version(n: int) -> str:
    return f"2024-01-{n // 24 + 1:02}-{n % 24:02}0000" if n % 3 else f"202401{n // 24 + 1:02}{n % 24:02}0000"


def write_diesel(folder: Path, changes: Sequence[Change]) -> None:
    _save(folder / ".keep", "")
    for change in changes:
        inner = folder / f"{_diesel_version(change.number)}_{change.slug}"
        _save(inner / "up.sql", change.up)
        _save(inner / "down.sql", change.down)
        if change.bare:
            _save(inner / "metadata.toml", "run_in_transaction = false\n")


def record_diesel(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("""
        CREATE TABLE __diesel_schema_migrations (
            version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
        )
    """)
    for change in changes:
        connection.execute("INSERT INTO __diesel_schema_migrations VALUES (%s)", [_diesel_version(change.number).replace("-", "")])


# graphile-migrate


def write_graphile_migrate(folder: Path, changes: Sequence[Change]) -> None:
    _save(folder / ".gmrc", '{\n  // comments are allowed\n  "placeholders": {":WHO": "PUBLIC", ":SECRET": "!ENV"},\n}\n')
    previous = None
    for change in changes:
        body = change.up.replace("\r", "").replace("TO PUBLIC", "TO :WHO")
        body = f"--! no-transaction\n{body}" if change.bare else body
        digest = "sha1:" + _sha1((f"{previous}\n" if previous else "").encode() + f"{body.strip()}\n".encode())
        message = f"--! Message: {change.slug}\n" if change.number % 2 else ""
        name = f"{change.number + 1:06}-{change.slug.replace('_', '-')}" if change.number % 2 else f"{change.number + 1:06}"
        _save(folder / f"committed/{name}.sql", f"--! Previous: {previous or '-'}\n--! Hash: {digest}\n{message}\n{body.strip()}\n")
        previous = digest
    _save(folder / "current.sql", "-- Enter migration here\n")


def record_graphile_migrate(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    connection.execute("""
        CREATE SCHEMA graphile_migrate;
        CREATE TABLE graphile_migrate.migrations (
            hash text PRIMARY KEY, previous_hash text REFERENCES graphile_migrate.migrations, filename text NOT NULL,
            date timestamptz NOT NULL DEFAULT now()
        );
        CREATE TABLE graphile_migrate.current (
            filename text PRIMARY KEY DEFAULT 'current.sql', content text NOT NULL, date timestamptz NOT NULL DEFAULT now()
        );
    """)
    for path in sorted((folder / "committed").iterdir()):
        previous, digest = (line.partition(": ")[2] for line in path.read_text().split("\n")[:2])
        connection.execute(
            "INSERT INTO graphile_migrate.migrations VALUES (%s, %s, %s)",
            [digest, None if previous == "-" else previous, f"{path.name[:6]}.sql"],
        )


# yoyo


def write_yoyo(folder: Path, changes: Sequence[Change]) -> None:
    previous = ""
    for change in changes:
        up = change.up.replace("-- depends: is", "-- it depends: is").replace("\r", "")
        lines = [f"-- depends: {previous}"] if previous else []
        lines += ["-- transactional: false"] if change.bare else []
        previous = f"{change.number + 1:04}_{change.slug}" if change.number % 9 else f"{change.number + 1:04}.{change.slug}"
        _save(folder / f"{previous}.sql", "\n".join([*lines, up]))
        _save(folder / f"{previous}.rollback.sql", change.down.replace("\r", ""))


def record_yoyo(connection: Any, folder: Path, changes: Sequence[Change]) -> None:
    """Let yoyo itself write its tables."""
    from yoyo import get_backend, read_migrations

    info = connection.info
    backend = get_backend(f"postgresql+psycopg://{info.user}@/{info.dbname}?host={info.host}&port={info.port}")
    try:
        with backend.lock():
            backend.mark_migrations(read_migrations(str(folder)))
        backend.execute("DROP TABLE yoyo_lock")
        backend.commit()
    finally:
        backend.connection.close()


# psql


def write_psql(folder: Path, changes: Sequence[Change]) -> None:
    for change in changes:
        up = change.up.replace("TO PUBLIC", "TO :who")
        up = f"\\set ON_ERROR_STOP on\n\\set who PUBLIC\n\\echo it's {change.slug}\n{up}" if up != change.up else up
        inner = folder / f"{change.number // 20}"
        if change.slug.startswith("count_"):
            _save(inner / f"bodies/{change.slug}.txt.sql", up)
            up = f"\\ir bodies/{change.slug}.txt.sql\n"
        _save(inner / f"{change.number % 20 + 1}_{change.slug}.sql", up)
        _save(inner / f"{change.number % 20 + 1}_{change.slug}.rollback.sql", change.down)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("flyway", write_flyway, record_flyway),
        Tool("golang-migrate", write_golang_migrate, record_golang_migrate),
        Tool("dbmate", write_dbmate, record_dbmate),
        Tool("goose", write_goose, record_goose),
        Tool("sqitch", write_sqitch, record_sqitch),
        Tool("diesel", write_diesel, record_diesel),
        Tool("graphile-migrate", write_graphile_migrate, record_graphile_migrate, has_downs=False),
        Tool("yoyo", write_yoyo, record_yoyo),
        Tool("psql", write_psql, None),
    )
}
