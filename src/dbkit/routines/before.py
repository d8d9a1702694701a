"""What holds for routines of the before phase: they come before the tables, and stored rows hang on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.routines.definitions import qualified
from dbkit.routines.order import created

if TYPE_CHECKING:
    import psycopg

    from dbkit.routines.made import Key
    from dbkit.source.repeatables import Routine
    from dbkit.source.statements import Statement

_SHOWN = 12


def refuse_tables(before: Sequence[Routine], suited: Sequence[Routine], schema: str) -> None:
    """Raise where one of these names a table of the service, which is not there yet when it is deployed."""
    if not before:
        return
    own = {name for routine in suited if routine.phase == "before" for statement in routine.statements for name in created(statement)}
    for routine in before:
        for statement in routine.statements:
            for line, name in _relations(routine.script.text, statement, schema):
                if name not in own:
                    raise ConfigurationError(
                        f"{routine.id} is deployed before the migrations, and names {name}",
                        where=str(routine.script.origin(line)),
                        hint="a before-phase routine can do without the service's tables: give it what it needs as arguments,"
                        " or take `-- phase: before` away",
                    )


def _relations(script: str, statement: Statement, schema: str) -> Iterator[tuple[int, str]]:
    """Yield the relations of the schema that a statement reads or writes, its body too, each with its line in the script."""
    from postgast import pg_query_pb2, walk

    for _, node in walk(statement.node):
        if isinstance(node, pg_query_pb2.RangeVar) and node.schemaname == schema:
            yield script.encode().count(b"\n", 0, node.location) + 1, f"{node.schemaname}.{node.relname}"
    if statement.kind in {"create_function_stmt", "do_stmt"}:
        yield from _in_body(script, statement, schema)


def _in_body(script: str, statement: Statement, schema: str) -> Iterator[tuple[int, str]]:
    """Look into a body that is a string: a name of the schema behind FROM, JOIN, INTO, UPDATE, TABLE or ONLY, and no call."""
    options: Any = statement.node.options if statement.kind == "create_function_stmt" else statement.node.args
    bodies = [_strings(item.def_elem.arg) for item in options if item.def_elem.defname == "as"]
    place = re.compile(
        rf"""\b(into|from|join|update|table|only)\s+(?:{re.escape(schema)}|"{re.escape(schema)}")\s*\.\s*("[^"]+"|\w+)(?!\w)(\s*\()?""",
        re.IGNORECASE,
    )
    for body in (text for texts in bodies for text in texts):
        start = script.find(body)  # not there where quotes in it are doubled
        first = script.count("\n", 0, start) + 1 if start >= 0 else statement.line
        plain = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", _blank, body, flags=re.DOTALL)
        for match in place.finditer(plain):
            if match[3] and match[1].lower() != "into":
                continue  # a function's rows
            yield first + plain.count("\n", 0, match.start(2)), f"{schema}.{match[2].strip(chr(34))}"


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _strings(node: Any) -> list[str]:
    if node.WhichOneof("node") == "list":
        return [item.string.sval for item in node.list.items]
    return [node.string.sval]


def refuse_stored(
    connection: psycopg.Connection[tuple[Any, ...]], changed: Sequence[Key], made_by: Mapping[Key, str], before: Sequence[Routine]
) -> None:
    """Raise where a before-phase routine's function became another one and rows were judged or computed by what it was."""
    for routine in before:
        functions = [key[1] for key in changed if made_by.get(key) == routine.id]
        if not functions:
            continue
        found = [row[0] for row in qualified(connection, "stored_by", {"functions": functions})]
        if found:
            more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise DbkitError(
                f"{routine.id} can't be changed: what is stored depends on what it was:\n"
                + "\n".join(f"  {words}" for words in found[:_SHOWN])
                + more,
                where=f"{routine.script.path}:1",
                hint="write a new function beside it, and a migration that moves the constraint, index or column to that one",
            )
