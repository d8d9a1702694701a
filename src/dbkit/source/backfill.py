"""A data change in chunks: `-- backfill: key=id batch=auto` and the one statement below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dbkit.errors import ConfigurationError
from dbkit.source.statements import Statement

AGGREGATES = {
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "json_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "max",
    "min",
    "string_agg",
    "sum",
}


@dataclass(frozen=True, slots=True)
class Backfill:
    """What the header says: the key whose order the chunks follow, and their size in rows (None: found by trying)."""

    key: str
    batch: int | None


def read_backfill(value: str, where: str) -> Backfill:
    """Parse the header's value. Raises ConfigurationError."""
    words = dict(re.findall(r"(\w+)=(\S+)", value))
    batch = words.get("batch", "auto")
    if set(words) - {"key", "batch"} or "key" not in words or not re.fullmatch(r"auto|[1-9][0-9]*", batch):
        raise ConfigurationError(f"backfill must read like 'key=id batch=auto' or 'key=id batch=5000', not {value!r}", where=f"{where}:1")
    return Backfill(words["key"], None if batch == "auto" else int(batch))


@dataclass(frozen=True, slots=True)
class Chunks:
    """The statement for one chunk, with $1 (the key before its first) and $2 (its last), and the table that it walks through."""

    statement: str
    first: str
    table: str
    key: str


def chunks(parsed: list[Statement], backfill: Backfill, where: str) -> Chunks:
    """Narrow the statement to a range of keys.

    It may be an UPDATE or DELETE, or an INSERT … SELECT from one table. Raises ConfigurationError for anything else, and
    for one that changes the key.
    """
    import postgast

    if len(parsed) != 1 or parsed[0].kind not in {"update_stmt", "delete_stmt", "insert_stmt"}:
        raise ConfigurationError(
            "a backfill is one UPDATE, DELETE or INSERT … SELECT", where=f"{where}:1", hint="write each as a migration of its own"
        )
    tree = postgast.parse(parsed[0].text)
    raw = tree.stmts[0].stmt
    node = getattr(raw, parsed[0].kind)
    walked, condition = _walked(node, parsed[0].kind, where)
    if parsed[0].kind == "update_stmt" and any(item.res_target.name == backfill.key for item in node.target_list):
        raise ConfigurationError(f"the backfill changes its own key {backfill.key!r}", where=f"{where}:1", hint="walk by another key")
    alias = walked.alias.aliasname or walked.relname
    first = _narrowed(tree, condition, f"{_quoted(alias)}.{_quoted(backfill.key)} <= $1")
    later = _narrowed(tree, condition, f"{_quoted(alias)}.{_quoted(backfill.key)} > $1 AND {_quoted(alias)}.{_quoted(backfill.key)} <= $2")
    table = ".".join(_quoted(part) for part in (walked.schemaname, walked.relname) if part)
    return Chunks(later, first, table, _quoted(backfill.key))


def _walked(node: Any, kind: str, where: str) -> tuple[Any, Any]:
    """Return the table whose keys are followed, and the node that has the WHERE."""
    if kind != "insert_stmt":
        return node.relation, node
    select = node.select_stmt.select_stmt
    if len(select.from_clause) != 1 or select.from_clause[0].WhichOneof("node") != "range_var" or select.group_clause:
        raise ConfigurationError("a backfill's INSERT … SELECT reads from one table, ungrouped", where=f"{where}:1")
    if wide := _of_all_rows(select):
        raise ConfigurationError(f"a backfill's {wide} would be made anew in each chunk", where=f"{where}:1", hint="count in a migration")
    return select.from_clause[0].range_var, select


def _of_all_rows(select: Any) -> str | None:
    """Return what of a SELECT is about all of its rows at once, and can't be had in chunks."""
    import postgast

    if select.distinct_clause:
        return "DISTINCT"
    for clause, name in (("limit_count", "LIMIT"), ("limit_offset", "OFFSET"), ("having_clause", "HAVING")):
        if select.HasField(clause):
            return name
    for item in select.target_list:
        value = item.res_target.val
        if list(postgast.find_nodes(value, postgast.pg_query_pb2.SubLink)):
            continue  # has rows of its own
        for call in postgast.find_nodes(value, postgast.pg_query_pb2.FuncCall):
            name = call.funcname[-1].string.sval
            if call.agg_star or call.agg_distinct or call.HasField("over") or name in AGGREGATES:
                return f"{name}()"
    return None


def _narrowed(tree: Any, condition: Any, bounds: str) -> str:
    import postgast

    kept = type(condition.where_clause)()
    kept.CopyFrom(condition.where_clause)
    had_one = condition.HasField("where_clause")
    wanted = postgast.parse(f"SELECT 1 WHERE {'TRUE AND ' if had_one else ''}{bounds}").stmts[0].stmt.select_stmt.where_clause
    if had_one:
        wanted.bool_expr.args[0].CopyFrom(kept)
    condition.where_clause.CopyFrom(wanted)
    text = postgast.deparse(tree)
    if had_one:
        condition.where_clause.CopyFrom(kept)
    else:
        condition.ClearField("where_clause")
    return str(text)


def _quoted(name: str) -> str:
    from dbkit.source.templates import identifier

    return identifier(name)
