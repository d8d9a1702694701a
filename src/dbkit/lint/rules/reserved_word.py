from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule


def _look(sql: Sql) -> Iterator[Hit]:
    for statement in sql.of_kind("create_stmt", "view_stmt"):
        relation = statement.node.relation if statement.kind == "create_stmt" else statement.node.view
        if _is_reserved(relation.relname):
            yield sql.hit(relation.location, f"{relation.relname} is a reserved word: each use needs quotes")
    for column in sql.columns():
        if _is_reserved(column.name):
            yield sql.hit(column.node.location, f"{column.table}.{column.name}: {column.name} is a reserved word: each use needs quotes")


def _is_reserved(name: str) -> bool:
    import postgast

    if not name.isidentifier():
        return False
    tokens = postgast.scan(name).tokens
    return len(tokens) == 1 and tokens[0].keyword_kind == postgast.pg_query_pb2.KeywordKind.Value("RESERVED_KEYWORD")


RULE = Rule(
    level="warning",
    summary="A table or column is not named by a reserved word.",
    why="Whoever forgets the quotes gets a syntax error, or, with user, the name of the session's role instead of the column.",
    bad='CREATE TABLE app."order" (id bigint PRIMARY KEY, "user" text);',
    good="CREATE TABLE app.orders (id bigint PRIMARY KEY, user_id bigint, state text, position integer, name text);",
    script=_look,
    kinds=("migration", "repeatable"),
)
