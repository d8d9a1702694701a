from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule

LIMIT = 63  # bytes; NAMEDATALEN less the end


def _look(sql: Sql) -> Iterator[Hit]:
    from postgast import pg_query_pb2

    identifier = pg_query_pb2.Token.Value("IDENT")
    for token in sql.tokens:
        if token.token != identifier or token.end - token.start <= LIMIT:
            continue
        word = sql.data[token.start : token.end]
        name = word[1:-1].replace(b'""', b'"') if word.startswith(b'"') else word
        if len(name) > LIMIT:
            yield sql.hit(token.start, f"{name.decode()} has {len(name)} bytes: PostgreSQL cuts it off at {LIMIT}")


RULE = Rule(
    level="error",
    summary="A name has at most 63 bytes.",
    why="PostgreSQL cuts a longer one off with no more than a notice: two names become one, "
    "and the code that looks for the whole name finds nothing.",
    bad="CREATE INDEX inventory_reservation_items_product_id_quantity_created_at_expires_at_idx ON app.t (a);",
    good="CREATE INDEX t_a_idx ON app.t (a); SELECT 'inventory_reservation_items_product_id_quantity_created_at_expires_at_idx';",
    script=_look,
    kinds=("migration", "rollback", "repeatable", "seed"),
)
