"""The tables that a service's migrations leave behind, read from their text, in order.

It knows what the rules ask for: keys, foreign keys and indexes, and where each was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dbkit.lint.parsed import Sql, constraint_is, definition, strings
from dbkit.source.statements import Statement

Name = tuple[str, str]  # schema (the service's, where none is written) and name


@dataclass(slots=True)
class Index:
    """An index, or the one behind a key. An expression is None in `columns`; `detail` is all that two indexes may differ in."""

    name: str
    columns: tuple[str | None, ...]
    detail: tuple[str, ...]
    is_unique: bool
    is_key: bool
    is_partial: bool
    method: str
    sql: Sql
    offset: int


@dataclass(slots=True)
class ForeignKey:
    """A foreign key."""

    name: str
    columns: tuple[str, ...]
    to: Name
    sql: Sql
    offset: int


@dataclass(slots=True)
class Table:
    """A table; `is_derived` where its columns and keys come from another one."""

    name: Name
    sql: Sql
    statement: Statement
    is_temporary: bool
    is_derived: bool
    primary_key: tuple[str, ...] | None = None
    indexes: list[Index] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)


class Catalogue:
    """What CREATE, ALTER, RENAME and DROP of the scripts add up to."""

    def __init__(self, scripts: Iterable[Sql]) -> None:
        self.tables: dict[Name, Table] = {}
        for sql in scripts:
            for statement in sql.statements:
                self._read(sql, statement)

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables.values())

    def _read(self, sql: Sql, statement: Statement) -> None:
        node = statement.node
        match statement.kind:
            case "create_stmt":
                self._create(sql, statement)
            case "alter_table_stmt":
                if table := self.tables.get(_name(sql, node.relation)):
                    for command in node.cmds:
                        _alter(table, sql, command.alter_table_cmd)
            case "index_stmt":
                if table := self.tables.get(_name(sql, node.relation)):
                    table.indexes.append(_index(sql, statement))
            case "drop_stmt":
                self._drop(sql, node)
            case "rename_stmt":
                self._rename(sql, node)

    def _create(self, sql: Sql, statement: Statement) -> None:
        node = statement.node
        name = _name(sql, node.relation)
        if name in self.tables and node.if_not_exists:
            return
        table = Table(
            name=name,
            sql=sql,
            statement=statement,
            is_temporary=node.relation.relpersistence == "t",
            is_derived=bool(node.inh_relations) or any(e.WhichOneof("node") == "table_like_clause" for e in node.table_elts),
        )
        self.tables[name] = table
        for element in node.table_elts:
            _define(table, sql, element)

    def _drop(self, sql: Sql, node: Any) -> None:
        from postgast import pg_query_pb2 as pb

        for item in node.objects:
            parts = strings(item.list.items)
            if node.remove_type == pb.OBJECT_TABLE:
                self.tables.pop((parts[-2] if len(parts) > 1 else sql.schema, parts[-1]), None)
            elif node.remove_type == pb.OBJECT_INDEX:
                for table in self:
                    table.indexes = [index for index in table.indexes if index.name != parts[-1]]

    def _rename(self, sql: Sql, node: Any) -> None:
        from postgast import pg_query_pb2 as pb

        name = _name(sql, node.relation)
        if node.rename_type == pb.OBJECT_TABLE and name in self.tables:
            table = self.tables.pop(name)
            table.name = (name[0], node.newname)
            self.tables[table.name] = table
            for other in self:
                for key in other.foreign_keys:
                    key.to = table.name if key.to == name else key.to
        elif node.rename_type == pb.OBJECT_COLUMN and name in self.tables:
            _rename_column(self.tables[name], node.subname, node.newname)
        elif node.rename_type == pb.OBJECT_INDEX:
            for index in (index for table in self for index in table.indexes if index.name == name[1]):
                index.name = node.newname


def reference_data(scripts: Iterable[Sql]) -> set[Name]:
    """Return the tables whose rows the project's own scripts write: a handful, that nobody deletes at run time."""
    return {
        (statement.node.relation.schemaname or sql.schema, statement.node.relation.relname)
        for sql in scripts
        if sql.kind != "seed"
        for statement in sql.of_kind("insert_stmt", "merge_stmt")
    }


def _name(sql: Sql, relation: Any) -> Name:
    return (relation.schemaname or sql.schema, relation.relname)


def _define(table: Table, sql: Sql, element: Any) -> None:
    """Take in a column or a constraint of CREATE TABLE."""
    match element.WhichOneof("node"):
        case "column_def":
            for item in element.column_def.constraints:
                _constrain(table, sql, item.constraint, (element.column_def.colname,))
        case "constraint":
            _constrain(table, sql, element.constraint, ())


def _alter(table: Table, sql: Sql, command: Any) -> None:
    from postgast import pg_query_pb2 as pb

    match command.subtype:
        case pb.AT_AddColumn | pb.AT_AddConstraint:
            _define(table, sql, definition(command))
        case pb.AT_DropConstraint:
            table.foreign_keys = [key for key in table.foreign_keys if key.name != command.name]
            if any(index.name == command.name and index.is_key for index in table.indexes) or command.name == f"{table.name[1]}_pkey":
                table.primary_key = None
            table.indexes = [index for index in table.indexes if index.name != command.name]
        case pb.AT_DropColumn:
            table.foreign_keys = [key for key in table.foreign_keys if command.name not in key.columns]
            table.indexes = [index for index in table.indexes if command.name not in index.columns]
            if table.primary_key and command.name in table.primary_key:
                table.primary_key = None


def _constrain(table: Table, sql: Sql, node: Any, column: tuple[str, ...]) -> None:
    is_primary = constraint_is(node, "PRIMARY")
    if constraint_is(node, "FOREIGN"):
        columns = tuple(strings(node.fk_attrs)) or column
        table.foreign_keys.append(ForeignKey(node.conname, columns, _name(sql, node.pktable), sql, node.location))
    elif is_primary or constraint_is(node, "UNIQUE"):
        columns = tuple(strings(getattr(node, "keys"))) or column or _columns_of(table, node.indexname)  # noqa: B009 protobuf's field, not dict.keys
        suffix = "pkey" if is_primary else "_".join((*columns, "key"))
        if is_primary:
            table.primary_key = columns
        table.indexes = [index for index in table.indexes if index.name != node.indexname or not node.indexname]
        name = node.conname or f"{table.name[1]}_{suffix}"
        table.indexes.append(Index(name, columns, columns, True, True, False, "btree", sql, node.location))


def _columns_of(table: Table, index_name: str) -> tuple[str, ...]:
    return next((tuple(c or "" for c in index.columns) for index in table.indexes if index.name == index_name), ())


def _index(sql: Sql, statement: Statement) -> Index:
    node = statement.node
    elements = [param.index_elem for param in node.index_params]
    return Index(
        name=node.idxname,
        columns=tuple(element.name or None for element in elements),
        detail=tuple(_without_places(element) for element in elements),
        is_unique=node.unique,
        is_key=False,
        is_partial=node.HasField("where_clause"),
        method=node.access_method or "btree",
        sql=sql,
        offset=node.relation.location,
    )


def _without_places(element: Any) -> str:
    """Return an index element as text that is the same for the same element elsewhere."""
    import re

    return element.name if not _is_special(element) else re.sub(r"\s*location: \d+", "", str(element))


def _is_special(element: Any) -> bool:
    from postgast import pg_query_pb2 as pb

    plain_order = element.ordering in {pb.SORTBY_DEFAULT, pb.SORTBY_ASC} and element.nulls_ordering == pb.SORTBY_NULLS_DEFAULT
    return not (element.name and plain_order and not element.opclass and not element.collation)


def _rename_column(table: Table, old: str, new: str) -> None:
    def renamed(columns: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(new if column == old else column for column in columns)

    for index in table.indexes:
        index.columns, index.detail = renamed(index.columns), renamed(index.detail)
    for key in table.foreign_keys:
        key.columns = renamed(key.columns)
    if table.primary_key:
        table.primary_key = renamed(table.primary_key)
