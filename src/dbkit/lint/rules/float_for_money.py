import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Sql
from dbkit.lint.rules import Rule

MONEY = {
    *("amount", "amounts", "price", "prices", "cost", "costs", "fee", "fees", "tax", "taxes", "total", "totals", "subtotal", "balance"),
    *("discount", "refund", "refunded", "payment", "payout", "salary", "wage", "revenue", "turnover", "charge", "credit", "debit", "paid"),
}
# A number of something else, or a share.
OTHER = {
    *("rate", "ratio", "percent", "percentage", "pct", "share", "factor", "score", "rank", "weight", "count", "bytes", "size"),
    *("seconds", "minutes", "hours", "days", "ms", "time", "duration", "km", "kg", "distance", "loss"),
}


def _look(sql: Sql) -> Iterator[Hit]:
    for column in sql.columns():
        parts = set(re.split(r"[^a-z]+", column.name.lower()))
        if column.type in {"float4", "float8"} and parts & MONEY and not parts & OTHER:
            yield sql.hit(column.offset, f"{column.table}.{column.name} is a floating-point number, and reads like money")


RULE = Rule(
    level="error",
    summary="Money is numeric, or a bigint of minor units; never real or double precision.",
    why="0.1 + 0.2 is 0.30000000000000004: sums drift by cents, and equality fails.",
    bad="CREATE TABLE app.orders (id bigint PRIMARY KEY, total_amount double precision NOT NULL);",
    good="CREATE TABLE app.orders (id bigint PRIMARY KEY, total_amount bigint NOT NULL, tax_rate real, price numeric(12, 2));",
    script=_look,
)
