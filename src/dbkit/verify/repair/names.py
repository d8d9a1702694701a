"""How statements name objects."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from dbkit.postgres.objects import Object

KEYWORDS = {"enum": "TYPE", "range": "TYPE", "composite": "TYPE"}
PARTS = frozenset({"constraint", "trigger", "policy", "rule"})
# their names come quoted, with arguments or access method
SIGNED = frozenset({"function", "procedure", "aggregate", "operator", "operator class", "operator family"})


@lru_cache(maxsize=4096)
def quoted(name: str) -> str:
    """Quote an identifier where it has to be."""
    import postgast

    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        kind = postgast.scan(name).tokens[0].keyword_kind
        if kind in {postgast.pg_query_pb2.NO_KEYWORD, postgast.pg_query_pb2.UNRESERVED_KEYWORD}:
            return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string."""
    return "'" + text.replace("'", "''") + "'"


def relation(part: Object) -> str:
    """Return the qualified name of the table or view that a part belongs to."""
    return f"{quoted(part.schema)}.{quoted(part.relation or '')}"


def qualified(thing: Object) -> str:
    """Return the name of an object in its schema."""
    return f"{quoted(thing.schema)}.{thing.name if thing.kind in SIGNED else quoted(thing.name)}"


def named(thing: Object) -> str:
    """Return what DROP, COMMENT ON and ALTER call an object: its kind and its name."""
    keyword = KEYWORDS.get(thing.kind, thing.kind.upper())
    if thing.kind == "column":
        return f"COLUMN {relation(thing)}.{quoted(thing.name)}"
    if thing.kind in PARTS:
        return f"{keyword} {quoted(thing.name)} ON {relation(thing)}"
    if thing.kind == "cast":
        return f"CAST {thing.name}"
    if thing.kind in {"schema", "extension", "event trigger", "publication", "server"}:
        return f"{keyword} {quoted(thing.name)}"
    return f"{keyword} {qualified(thing)}"


def setting(options: Iterable[str], prefix: str = "") -> str:
    """Write storage parameters (`fillfactor=70`) as SQL takes them."""
    pairs = (option.partition("=")[::2] for option in options)
    return ", ".join(f"{prefix}{name}={value if re.fullmatch(r'[a-z0-9_.]+', value) else literal(value)}" for name, value in pairs)


def changed_settings(expected: Iterable[str] | None, found: Iterable[str] | None, prefix: str = "") -> list[str]:
    """Return the SET and RESET actions that lead from some storage parameters to others."""
    due, there = list(expected or ()), list(found or ())
    given = {option.partition("=")[0] for option in due}
    extra = sorted({option.partition("=")[0] for option in there} - given)
    new = [option for option in due if option not in there]
    actions = [f"SET ({setting(new, prefix)})"] if new else []
    return actions + ([f"RESET ({', '.join(prefix + name for name in extra)})"] if extra else [])


def foreign_options(options: Iterable[str]) -> str:
    """Write the options of a foreign server, table or column."""
    pairs = (option.partition("=")[::2] for option in options)
    return f"OPTIONS ({', '.join(f'{quoted(name)} {literal(value)}' for name, value in pairs)})"


def changed_foreign_options(expected: Iterable[str] | None, found: Iterable[str] | None) -> str:
    """Return the OPTIONS clause that leads from some options to others."""
    due = dict(option.partition("=")[::2] for option in expected or ())
    there = dict(option.partition("=")[::2] for option in found or ())
    actions = [
        f"{'SET' if name in there else 'ADD'} {quoted(name)} {literal(value)}" for name, value in due.items() if there.get(name) != value
    ]
    actions += [f"DROP {quoted(name)}" for name in there if name not in due]
    return f"OPTIONS ({', '.join(actions)})"
