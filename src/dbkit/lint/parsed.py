"""A script as the rules see it: statements, tokens, functions, columns, and where each stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dbkit.lint.finding import Hit, Kind, Level
from dbkit.lint.plpgsql import Compiled, compile_function
from dbkit.source.statements import Statement, parse


@dataclass(frozen=True)
class Sql:
    """One rendered script, parsed. Raises ScriptSyntaxError when it is first looked into."""

    text: str
    kind: Kind = "migration"
    schema: str = "app"
    routing_key: str | None = "tenant_id"
    transactional: bool = True
    allow: frozenset[str] = frozenset()
    has_way_back: bool = True

    @cached_property
    def statements(self) -> list[Statement]:
        return parse(self.text)

    @cached_property
    def data(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(b"\n", self.data))]

    @cached_property
    def tokens(self) -> list[Any]:
        import postgast

        return list(postgast.scan(self.text).tokens)

    @cached_property
    def functions(self) -> list[Function]:
        """Return the functions, procedures and DO blocks."""
        return [_function(self, s) for s in self.statements if s.kind in {"create_function_stmt", "do_stmt"}]

    def line(self, offset: int) -> int:
        """Return the line (from 1) of a byte of the script."""
        return bisect_right(self._starts, offset)

    def hit(self, offset: int, message: str, level: Level | None = None) -> Hit:
        """Return a hit at a byte of the script."""
        line = self.line(offset)
        column = len(self.data[self._starts[line - 1] : offset].decode(errors="replace")) + 1
        return Hit(line, message, column, level)

    def hit_statement(self, statement: Statement, message: str, level: Level | None = None) -> Hit:
        """Return a hit at the first word of a statement."""
        line = self.text.split("\n")[statement.line - 1]
        return Hit(statement.line, message, len(line) - len(line.lstrip()) + 1, level)

    def of_kind(self, *kinds: str) -> Iterator[Statement]:
        return (statement for statement in self.statements if statement.kind in kinds)

    def columns(self) -> Iterator[Column]:
        """Yield the columns that CREATE TABLE and ALTER TABLE … ADD COLUMN make."""
        for statement in self.of_kind("create_stmt", "alter_table_stmt"):
            node = statement.node
            elements = node.table_elts if statement.kind == "create_stmt" else [definition(c.alter_table_cmd) for c in node.cmds]
            for element in elements:
                if element.WhichOneof("node") == "column_def":
                    yield Column(node.relation.relname, element.column_def)


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is defined."""

    table: str
    node: Any

    @property
    def name(self) -> str:
        return str(self.node.colname)

    @property
    def type(self) -> str:
        return type_name(self.node.type_name)

    @property
    def offset(self) -> int:
        return int(self.node.type_name.location)


def type_name(node: Any) -> str:
    """Return the type's name without its schema, as the parser has it: int4, timestamptz."""
    return strings(node.names)[-1] if node.names else ""


def strings(nodes: Any) -> list[str]:
    """Return the values of a list of string nodes."""
    return [node.string.sval for node in nodes if node.WhichOneof("node") == "string"]


def definition(node: Any) -> Any:
    """Return the field that protobuf names `def`, which Python can't say."""
    return getattr(node, "def")


def constraint_is(node: Any, kind: str) -> bool:
    """Say whether a constraint is of that kind: PRIMARY, UNIQUE, FOREIGN, CHECK, EXCLUSION …."""
    from postgast import pg_query_pb2

    return bool(node.contype == pg_query_pb2.ConstrType.Value(f"CONSTR_{kind}"))


def is_public(role: Any) -> bool:
    """Say whether a grantee is PUBLIC."""
    from postgast import pg_query_pb2

    return bool(role.role_spec.roletype == pg_query_pb2.ROLESPEC_PUBLIC)


@dataclass(frozen=True)
class Function:
    """A function, a procedure, or the block of a DO (which has no name)."""

    sql: Sql = field(repr=False)
    statement: Statement = field(repr=False)
    name: str
    language: str
    options: Mapping[str, Any] = field(repr=False)
    settings: Mapping[str, tuple[str, ...]]
    returns: str
    body: str | None = field(repr=False)
    body_offset: int = field(repr=False)

    @property
    def is_procedure(self) -> bool:
        return bool(self.statement.kind == "create_function_stmt" and self.statement.node.is_procedure)

    @property
    def parameters(self) -> frozenset[str]:
        """Return the names of the parameters."""
        parameters = self.statement.node.parameters if self.name else ()
        return frozenset(item.function_parameter.name for item in parameters)

    @property
    def is_trigger(self) -> bool:
        return self.returns in {"trigger", "event_trigger"}

    @property
    def is_definer(self) -> bool:
        option = self.options.get("security")
        return bool(option is not None and option.boolean.boolval)

    @property
    def volatility(self) -> str | None:
        option = self.options.get("volatility")
        return None if option is None else str(option.string.sval)

    @cached_property
    def compiled(self) -> Compiled | None:
        """Return what PL/pgSQL's own parser makes of the body; None for another language."""
        return compile_function(self.statement.text) if self.language == "plpgsql" and self.body is not None else None

    def hit(self, message: str, level: Level | None = None) -> Hit:
        """Return a hit at the function itself."""
        return self.sql.hit_statement(self.statement, message, level)

    def hit_body(self, line: int, message: str, level: Level | None = None) -> Hit:
        """Return a hit at a line of the body, counted as PL/pgSQL does: 1 is the line of the opening quote."""
        number = self.sql.line(self.body_offset) + max(line, 1) - 1
        text = self.sql.text.split("\n")[number - 1]
        return Hit(number, message, len(text) - len(text.lstrip()) + 1, level)


def _function(sql: Sql, statement: Statement) -> Function:
    node = statement.node
    is_do = statement.kind == "do_stmt"
    elements = [option.def_elem for option in (node.args if is_do else node.options)]
    options = {element.defname: element.arg for element in elements if element.defname != "set"}
    language = options["language"].string.sval if "language" in options else ("plpgsql" if is_do else "sql")
    body = _body(options.get("as"))
    after = next((element.location for element in elements if element.defname == "as"), 0)
    return Function(
        sql=sql,
        statement=statement,
        name="" if is_do else strings(node.funcname)[-1],
        language=language.lower(),
        options=options,
        settings=dict(_setting(element.arg.variable_set_stmt) for element in elements if element.defname == "set"),
        returns="" if is_do else type_name(node.return_type),
        body=body,
        body_offset=_literal_after(sql, after),
    )


def _body(option: Any) -> str | None:
    if option is None:
        return None
    values = strings(option.list.items) if option.WhichOneof("node") == "list" else [option.string.sval]
    return values[0] if values else None


def _setting(node: Any) -> tuple[str, tuple[str, ...]]:
    return node.name.lower(), tuple(argument.a_const.sval.sval for argument in node.args)


def _literal_after(sql: Sql, offset: int) -> int:
    """Return where the first string at or after a byte begins: a body."""
    for token in sql.tokens:
        if token.start >= offset and sql.data[token.start : token.start + 1] in {b"$", b"'", b"E", b"e"} and token.end - token.start > 1:
            return int(token.start)
    return offset
