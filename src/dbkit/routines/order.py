"""In which order repeatables are deployed: each after what its text is bound to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbkit.errors import ConfigurationError, nearest
from dbkit.source.files import ordered
from dbkit.source.repeatables import Routine
from dbkit.source.statements import Statement


def deployment_order(routines: list[Routine]) -> list[Routine]:
    """Sort by what views, BEGIN ATOMIC bodies and triggers name, and by `-- depends:`.

    What a `$$` body names is not asked: it is looked up when the function is called.
    """
    by_id = {routine.id: routine for routine in routines}
    makes: dict[str, str] = {}
    needs: dict[str, set[str]] = {}
    for routine in routines:
        for statement in routine.statements:
            for made in created(statement):
                makes.setdefault(made, routine.id)
        needs[routine.id] = {name for statement in routine.statements for name in _named(statement)}
    graph = {
        routine.id: sorted(({makes[name] for name in needs[routine.id] if name in makes} | set(_declared(routine, by_id))) - {routine.id})
        for routine in routines
    }
    return [by_id[name] for name in ordered(graph, where=lambda name: f"{by_id[name].script.path}:1")]


def _declared(routine: Routine, by_id: dict[str, Routine]) -> Iterator[str]:
    service = routine.id.partition("/")[0]
    for word in routine.depends:
        found = [name for name in by_id if name == f"{service}/{word}" or name.endswith(f"/{word}")]
        if not found:
            known = [name.partition("/")[2] for name in by_id]
            raise ConfigurationError(f"depends on {word!r}, which is not there{nearest(word, known)}", where=f"{routine.script.path}:1")
        yield from found


def created(statement: Statement) -> list[str]:
    """Return the qualified names of what a statement makes: schemas, functions, views, tables."""
    node = statement.node
    match statement.kind:
        case "create_schema_stmt":
            return [f"schema {node.schemaname}"]
        case "create_function_stmt":
            return [_dotted(node.funcname)]
        case "view_stmt":
            return [_relation(node.view)]
        case "create_table_as_stmt":
            return [_relation(node.into.rel)]
        case "create_stmt":
            return [_relation(node.relation)]
        case "create_seq_stmt":
            return [_relation(node.sequence)]
        case "composite_type_stmt":
            return [_relation(node.typevar)]
        case "create_enum_stmt":
            return [_dotted(node.type_name)]
        case "create_domain_stmt":
            return [_dotted(node.domainname)]
        case _:
            return []


def _named(statement: Statement) -> Iterator[str]:
    """Yield the names that must exist when the statement runs."""
    from postgast import pg_query_pb2, walk

    for _field, node in walk(statement.node):
        match node:
            case pg_query_pb2.RangeVar():
                yield _relation(node)
            case pg_query_pb2.FuncCall() | pg_query_pb2.CreateTrigStmt():
                yield _dotted(node.funcname)
            case pg_query_pb2.TypeName():
                yield _dotted(node.names)
            case pg_query_pb2.ObjectWithArgs():
                yield _dotted(node.objname)
            case _:
                pass
    for made in created(statement):
        yield f"schema {made.partition('.')[0]}"


def _dotted(names: Any) -> str:
    return ".".join(part.string.sval for part in names if part.HasField("string"))


def _relation(node: Any) -> str:
    return f"{node.schemaname}.{node.relname}" if node.schemaname else str(node.relname)
