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
    """Move each primary key and unique constraint, which pg_dump adds after the rows, into its CREATE TABLE."""
    found: dict[str, int] = {}
    kept: list[str] = []
    for statement in statements:
        made = re.match(r"CREATE TABLE (\S+) \(\n", statement)
        if made:
            found[made[1]] = len(kept)
        key = re.fullmatch(r"ALTER TABLE ONLY (\S+)\s+ADD (CONSTRAINT \S+ (?:PRIMARY KEY|UNIQUE) .*)", statement, re.DOTALL)
        if key and key[1] in found:
            place = found[key[1]]
            kept[place] = re.sub(r"\n\)", lambda _end, text=key[2]: f",\n    {text}\n)", kept[place], count=1)  # type: ignore[misc]
        else:
            kept.append(statement)
    return kept
