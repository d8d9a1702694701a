"""What a database of a throw-away server holds, as statements that make it again: pg_dump's, one an object or row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from dbkit.errors import DbkitError
from dbkit.postgres.catalog import INVISIBLE
from dbkit.postgres.server import Server
from dbkit.source import lexer
from dbkit.source.statements import strip_restrict

ROW = re.compile(r"INSERT INTO (?P<table>(?:\"[^\"]+\"|[^\s.\"])+\.(?:\"[^\"]+\"|[^\s\"])+) .*?VALUES (?P<values>\(.*\))\Z", re.DOTALL)


def dump(server: Server, database: str, *, without: Iterable[str] = ()) -> list[str]:
    """Return the statements that make what is in the database, in an order in which they run; no owners, no settings.

    `without` are tables (schema.table) to leave out, partitions mostly. dbkit's and yoyo's own tables are never there.
    """
    hidden = [*(f"*.{name}" for name in INVISIBLE), *without]
    command = [
        server.binaries.program("pg_dump"),
        "--no-owner",
        "--no-tablespaces",
        "--no-toast-compression",
        "--column-inserts",
        "--exclude-schema=dbkit",
        *(f"--exclude-table={name}" for name in hidden),
        f"--dbname={server.conninfo(database)}",
    ]
    done = server.account.run(command)
    if done.returncode:
        raise DbkitError(f"pg_dump failed: {done.stderr.strip()}", hint="its server is a throw-away one: this is dbkit's own fault")
    return [text for piece in lexer.pieces(strip_restrict(done.stdout)) if (text := _bare(piece.text)) and not _is_noise(text)]


def _bare(statement: str) -> str:
    """Take the comments before a statement, and its semicolon, away."""
    return re.sub(r"\A(?:\s+|--[^\n]*\n)+", "", statement).strip().removesuffix(";").rstrip()


def _is_noise(statement: str) -> bool:
    """Say whether the statement speaks of the session that restores, or of a sequence that was never used."""
    return bool(
        re.match(r"SET \w+ = |SELECT pg_catalog\.set_config\('search_path', '', false\)|--", statement)
        or re.fullmatch(r"SELECT pg_catalog\.setval\('.*', 1, false\)", statement, re.DOTALL)
    )


def rows(statements: Iterable[str]) -> Counter[str]:
    """Count the rows by table."""
    return Counter(match["table"] for statement in statements if (match := ROW.match(statement)))


def script(statements: Iterable[str]) -> str:
    """Write the statements for people: keys within their table, the rows of a table in one INSERT."""
    groups: list[tuple[str, list[str]]] = []
    for statement in _with_keys_inside(statements):
        match = ROW.match(statement)
        head = statement[: match.start("values")].rstrip().removesuffix("VALUES").rstrip() if match else statement
        if match and groups and groups[-1][0] == head:
            groups[-1][1].append(match["values"])
        else:
            groups.append((head, [match["values"]] if match else []))
    text, before = "", ""
    for head, values in groups:
        statement = "\nVALUES\n".join([head, ",\n".join(values)]) if values else head
        close = "\n" not in before + statement and before.split(" ", maxsplit=1)[0] == statement.split(" ")[0]
        text += ("" if not before else "\n" if close else "\n\n") + f"{statement};"
        before = statement
    return f"{text}\n"


def _with_keys_inside(statements: Iterable[str]) -> list[str]:
    """Move what pg_dump adds to a table afterwards into its CREATE TABLE: primary keys, unique constraints, plain identities."""
    places: dict[str, int] = {}
    kept: list[str] = []
    for statement in statements:
        if made := re.match(r"CREATE TABLE (\S+) \(\n", statement):
            places[made[1]] = len(kept)
        altered = re.match(r"ALTER TABLE (?:ONLY )?(\S+)\s", statement)
        place = places.get(altered[1]) if altered else None
        table = _completed(kept[place], statement) if place is not None else None
        if place is not None and table:
            kept[place] = table
        else:
            kept.append(statement)
    return kept


KEY = re.compile(r"ALTER TABLE ONLY \S+\s+ADD (CONSTRAINT \S+ (?:PRIMARY KEY|UNIQUE) .*)", re.DOTALL)
IDENTITY = re.compile(
    r"ALTER TABLE (?:\S+\.)?(?P<table>\S+) ALTER COLUMN (?P<column>\S+) ADD (?P<kind>GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY) \(\s+"
    r"SEQUENCE NAME (?:\S+\.)?(?P=table)_(?P=column)_seq\s+START WITH 1\s+INCREMENT BY 1\s+NO MINVALUE\s+NO MAXVALUE\s+CACHE 1\s+\)"
)


def _completed(table: str, statement: str) -> str | None:
    """Return the CREATE TABLE with what the statement adds to it; None where it adds something else."""
    if key := KEY.fullmatch(statement):
        return re.sub(r"\n\)", lambda _end: f",\n    {key[1]}\n)", table, count=1)
    if identity := IDENTITY.fullmatch(statement):
        column = re.compile(rf"(?m)^(    {re.escape(identity['column'])} [a-z]+) (NOT NULL|CONSTRAINT \S+ NOT NULL)(,?)$")
        return column.sub(rf"\1 {identity['kind']} \2\3", table, count=1) if column.search(table) else None
    return None
