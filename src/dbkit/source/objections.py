"""What a migration must not hold, and what can't be in a transaction."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from dbkit.source.statements import Statement


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a statement can't run where it stands; `line` is in the script."""

    line: int
    message: str
    hint: str


def needs_no_transaction(statement: Statement) -> str | None:
    """Return the name of what PostgreSQL refuses inside a transaction block, or None."""
    node = statement.node
    match statement.kind:
        case "index_stmt" if node.concurrent:
            return "CREATE INDEX CONCURRENTLY"
        case "drop_stmt" if node.concurrent:
            return "DROP INDEX CONCURRENTLY"
        case "reindex_stmt" if any(p.def_elem.defname == "concurrently" for p in node.params):
            return "REINDEX CONCURRENTLY"
        case "vacuum_stmt" if node.is_vacuumcmd:
            return "VACUUM"
        case "alter_table_stmt" if any(_detaches_concurrently(c.alter_table_cmd) for c in node.cmds):
            return "DETACH PARTITION CONCURRENTLY"
        case "unknown" if "concurrently" in node.words:
            return f"{node.words[0].upper()} … CONCURRENTLY"
        case "reindex_stmt" if not node.HasField("relation"):
            return "REINDEX of a schema or a database"
        case "cluster_stmt" if not node.HasField("relation"):
            return "CLUSTER of every table"
        case "alter_database_stmt" if any(option.def_elem.defname == "tablespace" for option in node.options):
            return "ALTER DATABASE … SET TABLESPACE"
        case kind:
            return _NEVER_IN_A_TRANSACTION.get(kind)


def runs_bare(statement: Statement) -> bool:
    """Say whether a migration without a transaction sends the statement outside of one: it can't or may not be in one."""
    if statement.kind == "do_stmt":
        return _transaction_control(statement.text) is not None
    return statement.kind == "call_stmt" or needs_no_transaction(statement) is not None


_NEVER_IN_A_TRANSACTION = {
    "createdb_stmt": "CREATE DATABASE",
    "dropdb_stmt": "DROP DATABASE",
    "alter_system_stmt": "ALTER SYSTEM",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "drop_table_space_stmt": "DROP TABLESPACE",
    "create_subscription_stmt": "CREATE SUBSCRIPTION",
    "drop_subscription_stmt": "DROP SUBSCRIPTION",
}


def changes_roles(statement: Statement) -> bool:
    """Say whether a statement makes, alters, renames or drops a role, or its memberships."""
    if statement.kind == "rename_stmt":
        from postgast import pg_query_pb2

        return bool(statement.node.rename_type == pg_query_pb2.OBJECT_ROLE)
    return statement.kind in {"create_role_stmt", "alter_role_stmt", "drop_role_stmt", "alter_role_set_stmt", "grant_role_stmt"}


def _detaches_concurrently(command: Any) -> bool:
    return bool(getattr(getattr(command, "def").partition_cmd, "concurrent", False))


def objections(statements: list[Statement], *, schema: str, transactional: bool, allow: frozenset[str]) -> list[Objection]:
    """Return what a migration must not hold, each with the line and what to do.

    `schema` is the service's: dbkit makes it. `allow` comes from the `-- allow:` header.
    """
    found = []
    labels = _NewLabels()
    for statement in statements:
        objection = _objection(statement, schema=schema, transactional=transactional, allow=allow)
        if transactional:
            objection = objection or labels.used_in(statement)
        if not transactional:
            objection = objection or _unresumable(statement)
        if objection:
            found.append(Objection(statement.line, *objection))
    return found


def _objection(statement: Statement, *, schema: str, transactional: bool, allow: frozenset[str]) -> tuple[str, str] | None:
    node = statement.node
    match statement.kind:
        case "transaction_stmt" | "unknown" if statement.kind != "unknown" or _controls(node.words):
            return (
                f"{statement.text.split()[0].upper()} in a migration: dbkit owns the transaction",
                "remove it; a migration is one transaction, together with its mark in the journal",
            )
        case "copy_stmt" if not (node.is_from or node.is_program or node.filename):
            return "COPY … TO stdout in a migration: nobody reads it", "remove it"
        case "do_stmt" if transactional and (control := _transaction_control(statement.text)):
            return (
                f"{control} inside a DO block",
                "put `-- transactional: false` at the top of the file; a plain change of rows in chunks is better a `-- backfill:`",
            )
        case _ if changes_roles(statement) and "roles" not in allow:
            return (
                "a role belongs to the whole cluster, not to this database",
                "declare it outside migrations, or put `-- allow: roles` at the top of the file",
            )
        case "create_schema_stmt" if node.schemaname == schema:
            return f"dbkit makes the service's schema {schema!r} itself", "remove the statement"
        case "drop_stmt" if schema in dropped_schemas(node):
            return f"dbkit owns the service's schema {schema!r}", "remove the statement: drop what is in it"
        case "rename_stmt" if node.subname == schema and "SCHEMA" in statement.text.upper():
            return f"dbkit owns the service's schema {schema!r}", "remove the statement"
        case "variable_set_stmt" | "discard_stmt":
            return _refused_setting(statement)
        case _ if transactional and (name := needs_no_transaction(statement)):
            return f"{name} can't run inside a transaction", "put `-- transactional: false` at the top of the file"
        case _:
            return None


def _controls(words: list[str]) -> bool:
    """Say whether a statement that the parser does not know begins like one that controls transactions."""
    begins = {"abort", "begin", "commit", "end", "release", "rollback", "savepoint"}
    return words[:1] != [] and (words[0] in begins or words[:2] in (["start", "transaction"], ["prepare", "transaction"]))


class _NewLabels:
    """The labels that ALTER TYPE … ADD VALUE gave to types that were there before: of no use until the transaction is over."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._added: dict[str, tuple[str, int]] = {}

    def used_in(self, statement: Statement) -> tuple[str, str] | None:
        """Note what the statement adds; return the objection to a label of before that it casts to its type."""
        import postgast

        node = statement.node
        if statement.kind == "create_enum_stmt":
            self._made.add(node.type_name[-1].string.sval)
        elif statement.kind == "alter_enum_stmt" and node.new_val and not node.old_val:
            name = node.type_name[-1].string.sval
            if name not in self._made:
                self._added[node.new_val] = (name, statement.line)
        elif self._added and statement.kind != "unknown":
            for cast in postgast.find_nodes(node, postgast.pg_query_pb2.TypeCast):
                label = cast.arg.a_const.sval.sval
                name, line = self._added.get(label, ("", 0))
                if name and cast.type_name.names and cast.type_name.names[-1].string.sval == name:
                    return (
                        f"the label {label!r} of {name}, added in line {line}, can't be used before its transaction is over",
                        "use it in the next migration",
                    )
        return None


def _refused_setting(statement: Statement) -> tuple[str, str] | None:
    if statement.kind == "discard_stmt":
        import postgast

        everything = statement.node.target == postgast.pg_query_pb2.DISCARD_ALL
        undone = "remove it: what a script does to its session is undone behind it"
        return ("DISCARD ALL can't run inside a transaction", undone) if everything else None
    name = statement.node.name
    if name.lower() in {"role", "session_authorization"}:
        return "a migration runs as the service's owner, and can't become another role", "remove it"
    if name == "standard_conforming_strings":
        return (
            "SET standard_conforming_strings has no effect on the rest of a script that is sent whole",
            "remove it and write E'…' literals",
        )
    if name.lower() == "transaction_read_only" or ("TRANSACTION" in name.upper() and re.search(r"(?i)read\s+only", statement.text)):
        return "SET TRANSACTION READ ONLY can't be undone: the mark could not be written", "remove it"
    return None


def _unresumable(statement: Statement) -> tuple[str, str] | None:
    """Return why a run that goes on after a crash could not find what the statement made."""
    if statement.kind == "index_stmt" and not statement.node.idxname:
        return "an index without a name: a run that goes on here could not find it", "name it: CREATE INDEX CONCURRENTLY name ON …"
    if statement.kind == "alter_table_stmt" and _adds_unnamed_constraint(statement.node):
        return "a constraint without a name: a run that goes on here could not find it", "name it: ADD CONSTRAINT name …"
    return None


def _adds_unnamed_constraint(node: Any) -> bool:
    import postgast

    adds = postgast.pg_query_pb2.AT_AddConstraint
    return any(c.alter_table_cmd.subtype == adds and not getattr(c.alter_table_cmd, "def").constraint.conname for c in node.cmds)


def dropped_schemas(node: Any) -> list[str]:
    """Return the schemas that a DROP names."""
    import postgast

    if node.remove_type != postgast.pg_query_pb2.OBJECT_SCHEMA:
        return []
    return [item.string.sval for item in node.objects]


def _transaction_control(do_block: str) -> str | None:
    import postgast

    try:
        tree = json.dumps(postgast.parse_plpgsql(do_block))
    except postgast.PgQueryError:
        return None
    for name in ("commit", "rollback"):
        if f"PLpgSQL_stmt_{name}" in tree:
            return name.upper()
    return None
