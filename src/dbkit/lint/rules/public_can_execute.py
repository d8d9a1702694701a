from collections.abc import Iterator, Sequence
from typing import Any

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql, is_public, strings
from dbkit.lint.rules import Rule


def _look(scripts: Sequence[Sql]) -> Iterator[tuple[Sql, Hit]]:
    if any(_is_for_all(s.node, s.kind) for sql in scripts for s in sql.of_kind("grant_stmt", "alter_default_privileges_stmt")):
        return
    for sql in scripts:
        revoked = {name for s in sql.of_kind("grant_stmt") if _takes_from_public(s.node) for name in _functions(s.node)}
        for function in sql.functions:
            if function.name and not function.is_trigger and function.name not in revoked:
                kind = "procedure" if function.is_procedure else "function"
                message = f"PUBLIC can execute {function.name}(): no REVOKE … ON {kind.upper()} … FROM PUBLIC in this file"
                yield sql, function.hit(message, level="warning" if function.is_definer else "info")


def _takes_from_public(node: Any) -> bool:
    return not node.is_grant and any(is_public(role) for role in node.grantees)


def _functions(node: Any) -> Iterator[str]:
    for item in node.objects:
        if item.WhichOneof("node") == "object_with_args":
            yield strings(item.object_with_args.objname)[-1]


def _is_for_all(node: Any, kind: str) -> bool:
    """Say whether a statement takes every function of a schema from PUBLIC, those to come or those there are."""
    from postgast import pg_query_pb2 as pb

    routines = {pb.OBJECT_FUNCTION, pb.OBJECT_ROUTINE}
    if kind == "alter_default_privileges_stmt":
        return node.action.objtype in routines and _takes_from_public(node.action)
    return node.targtype == pb.ACL_TARGET_ALL_IN_SCHEMA and node.objtype in routines and _takes_from_public(node)


RULE = Rule(
    level="warning",
    summary="A new function is everybody's to execute until PUBLIC loses the right to.",
    why="PostgreSQL grants EXECUTE on a new function to PUBLIC. On a SECURITY DEFINER function that hands the owner's rights "
    "to every login; on others it is reported as information.",
    bad="""
CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = app, pg_temp AS 'SELECT 1';
GRANT EXECUTE ON FUNCTION app.f() TO someone;
""",
    good="""
CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = app, pg_temp AS 'SELECT 1';
REVOKE ALL ON FUNCTION app.f() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.f() TO someone;
""",
    service=_look,
    kinds=("repeatable", "migration"),
)
