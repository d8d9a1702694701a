import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.parsed import Function, Sql
from dbkit.lint.rules import Rule

CALLS = {
    *("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday", "age"),
    *("random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "currval", "lastval", "setval"),
    *("current_setting", "txid_current", "pg_current_xact_id", "pg_backend_pid"),
}
WORDS = {
    *("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"),
    *("current_user", "session_user", "current_role", "current_catalog", "current_schema"),
}


def _look(sql: Sql) -> Iterator[Hit]:
    for function in sql.functions:
        if function.volatility == "immutable":
            yield from _calls(function)


def _calls(function: Function) -> Iterator[Hit]:
    import postgast

    text = function.statement.text if function.body is None else function.body
    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError:
        return
    data = text.encode()
    for token in tokens:
        word = data[token.start : token.end].decode().lower()
        called = word in CALLS and re.match(rb"\s*\(", data[token.end :]) and not _has_arguments_that_matter(word, data[token.end :])
        if word in WORDS or called:
            line = data.count(b"\n", 0, token.start) + 1
            message = f"{function.name}() is IMMUTABLE and uses {word}{'()' if called else ''}, which changes"
            place = function.hit_body(line, message) if function.body is not None else None
            yield place or Hit(function.statement.line + line - 1, message)


def _has_arguments_that_matter(word: str, rest: bytes) -> bool:
    """age(a, b) of two timestamps is immutable; age(a) counts from today."""
    return word == "age" and b"," in rest.split(b")")[0]


RULE = Rule(
    level="error",
    summary="An IMMUTABLE function must not use the clock, chance, a sequence, a setting or the user.",
    why="Its result is computed once when a statement is planned, or kept in an index for ever: "
    "the answer of the day on which it was built.",
    bad="CREATE FUNCTION app.f(p_at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN p_at > now();",
    good="""
CREATE FUNCTION app.f(p_at timestamptz) RETURNS boolean LANGUAGE sql STABLE RETURN p_at > now();
CREATE FUNCTION app.g(p_a timestamptz, p_b timestamptz) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN age(p_a, p_b) > interval '1 day'; -- not now()
END;
$$;
""",
    script=_look,
    kinds=("repeatable", "migration"),
)
