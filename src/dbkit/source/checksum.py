"""Whether two texts of a migration mean the same to PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise

from dbkit.source import lexer


def text_hash(text: str) -> str:
    """Return the SHA-256 of the text as it is, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def token_hash(text: str) -> str:
    """Return the SHA-256 over PostgreSQL's scanner tokens, in hex.

    Comments, white space, line ends and the case of what PostgreSQL folds don't count; a dollar-quoted body of a function or
    DO block in sql or plpgsql is taken token by token as well, its delimiter left out. Any other dollar-quoted text is data.
    A text that does not scan is taken as it is.
    """
    import postgast

    digest = hashlib.sha256()
    try:
        for piece in lexer.pieces(text) if lexer.may_copy(text) else [lexer.Piece("sql", text, 0)]:
            tokens = _tokens(piece.text.encode(), bodies=True) if piece.kind == "sql" else [piece.text.encode()]
            for token in tokens:
                digest.update(token)
                digest.update(b"\x00")
    except (postgast.PgQueryError, lexer.ScriptSyntaxError):
        return text_hash(f"\x00{text}")
    return digest.hexdigest()


def _tokens(sql: bytes, *, bodies: bool) -> Iterator[bytes]:
    import postgast

    for statement in _statements(sql):
        has_body = bodies and _has_body(statement)
        previous = b""
        for piece in statement:
            body = _dollar_body(piece) if has_body and (previous == b"as" or statement[0] == b"do") else None
            previous = piece
            if body is None:
                yield piece
                continue
            try:
                inner = list(_tokens(body, bodies=False))
            except postgast.PgQueryError:
                inner = [body]
            yield b"$$"
            yield from inner
            yield b"$$"


def _statements(sql: bytes) -> Iterator[list[bytes]]:
    """Yield the tokens up to each semicolon, comments left out, keywords and bare names in lower case."""
    import postgast

    comments = {
        postgast.pg_query_pb2.Token.Value("SQL_COMMENT"),
        postgast.pg_query_pb2.Token.Value("C_COMMENT"),
    }
    no_keyword = postgast.pg_query_pb2.KeywordKind.Value("NO_KEYWORD")
    identifier = postgast.pg_query_pb2.Token.Value("IDENT")
    statement: list[bytes] = []
    for token in postgast.scan(sql.decode()).tokens:
        if token.token in comments:
            continue
        piece = sql[token.start : token.end]
        folded = token.keyword_kind != no_keyword or (token.token == identifier and not piece.startswith(b'"'))
        statement.append(piece.lower() if folded else piece)
        if piece == b";":
            yield statement
            statement = []
    if statement:
        yield statement


def _has_body(statement: list[bytes]) -> bool:
    """Say whether the statement makes or runs a body in sql or plpgsql, where white space means nothing."""
    if statement[0] != b"do" and not (statement[0] == b"create" and {b"function", b"procedure"} & set(statement[1:4])):
        return False
    language = b"plpgsql" if statement[0] == b"do" else b""
    for word, following in pairwise(statement):
        if word == b"language":
            language = following.strip(b"'\"").lower()
    return language in {b"sql", b"plpgsql"}


def _dollar_body(piece: bytes) -> bytes | None:
    if not piece.startswith(b"$"):
        return None
    end = piece.find(b"$", 1)
    tag = piece[: end + 1]
    if end < 0 or len(piece) < 2 * len(tag) or not piece.endswith(tag):
        return None
    return piece[len(tag) : -len(tag)]
