"""Whether two texts of a migration mean the same to PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator


def text_hash(text: str) -> str:
    """Return the SHA-256 of the text as it is, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def token_hash(text: str) -> str:
    """Return the SHA-256 over PostgreSQL's scanner tokens, in hex.

    Comments, white space, line ends and the case of what PostgreSQL folds don't count; a dollar-quoted body that scans as SQL
    is taken token by token as well, its delimiter left out.
    """
    digest = hashlib.sha256()
    for token in _tokens(text.encode()):
        digest.update(token)
        digest.update(b"\x00")
    return digest.hexdigest()


def _tokens(sql: bytes) -> Iterator[bytes]:
    import postgast

    comments = {
        postgast.pg_query_pb2.Token.Value("SQL_COMMENT"),
        postgast.pg_query_pb2.Token.Value("C_COMMENT"),
    }
    no_keyword = postgast.pg_query_pb2.KeywordKind.Value("NO_KEYWORD")
    identifier = postgast.pg_query_pb2.Token.Value("IDENT")
    for token in postgast.scan(sql.decode()).tokens:
        if token.token in comments:
            continue
        piece = sql[token.start : token.end]
        body = _dollar_body(piece)
        if body is None:
            folded = token.keyword_kind != no_keyword or (token.token == identifier and not piece.startswith(b'"'))
            yield piece.lower() if folded else piece
            continue
        try:
            inner = list(_tokens(body))
        except postgast.PgQueryError:
            inner = [body]
        yield b"$$"
        yield from inner
        yield b"$$"


def _dollar_body(piece: bytes) -> bytes | None:
    if not piece.startswith(b"$"):
        return None
    end = piece.find(b"$", 1)
    tag = piece[: end + 1]
    if end < 0 or len(piece) < 2 * len(tag) or not piece.endswith(tag):
        return None
    return piece[len(tag) : -len(tag)]
