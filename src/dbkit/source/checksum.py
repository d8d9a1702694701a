"""Whether two texts of a migration mean the same to PostgreSQL."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from dbkit.source import lexer

if TYPE_CHECKING:
    from dbkit.source.blocks import Block

SHORT = 1 << 18  # characters; all tokens of a longer one are not held at once


def text_hash(text: str) -> str:
    """Return the SHA-256 of the text as it is, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_chunks(chunks: Iterable[str]) -> str:
    """Return the SHA-256 of a text that comes in pieces, in hex."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk.encode())
    return digest.hexdigest()


def token_hash(text: str) -> str:
    """Return the SHA-256 over PostgreSQL's scanner tokens, in hex.

    Comments, white space, line ends and the case of what PostgreSQL folds don't count; a dollar-quoted body of a function or
    DO block in sql or plpgsql is taken token by token as well, its delimiter left out. Any other dollar-quoted text is data.
    A text that does not scan is taken as it is.
    """
    if len(text) < SHORT and not lexer.may_copy(text) and (tokens := _simple_tokens(text.encode())):
        return hashlib.sha256(b"\x00".join([*tokens, b""])).hexdigest()
    return hash_blocks(lambda: [text])


def hash_blocks(chunks: Callable[[], Iterable[str]]) -> str:
    """Return the token hash of a text that comes in pieces."""
    from dbkit.source.blocks import blocks

    tokens = Tokens()
    try:
        for block in blocks(chunks()):
            tokens.add(block)
    except lexer.ScriptSyntaxError:
        tokens.scans = False
    return tokens.hexdigest() if tokens.scans else hash_chunks(chain(["\x00"], chunks()))


class Tokens:
    """The token hash of a script, block by block; of no use where it does not scan."""

    def __init__(self) -> None:
        self.scans = True
        self._digest = hashlib.sha256()

    def add(self, block: Block) -> None:
        """Take the next block."""
        text = block.text.encode()
        if block.kind == "data":
            self._digest.update(text + (b"\x00" if block.last else b""))
            return
        tokens = _simple_tokens(text) or _scanned(text)
        if tokens is None:
            self.scans = False
            return
        self._digest.update(b"\x00".join([*tokens, b""]))

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


# Text whose tokens can be told apart without PostgreSQL's scanner, many times faster: words, plain numbers, plain strings,
# operators that stand alone, bodies in dollar quotes. Whatever else this pattern is not sure of makes it take the scanner.
_WORD = rb"[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+(?!['&])"
_NUMBER = rb"[0-9]++(?:\.[0-9]++)?+(?![A-Za-z0-9_.$\x80-\xff])"
_COMMENT = rb"(?<![-+*/<>=~!@#%^&|`?:])--[^\n\r]*+"
_STRING = rb"'[^']*+(?:''[^']*+)*+'(?!(?:\s|--[^\n\r]*+)*+')"
_NAME = rb'"[^"]*+(?:""[^"]*+)*+"(?!\s*")'
_OPERATOR = rb"(?<![-+*/<>=~!@#%^&|`?:])(?:::|:=|=>|\|\||->>?|<=|>=|<>|!=|[-+*/<>=%])(?![-+*/<>=~!@#%^&|`?:])"
_PARAMETER = rb"\$[0-9]++(?![A-Za-z0-9_$\x80-\xff])"
_DOLLARS = rb"\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?+\$"
_TOKEN = rb"|".join([_WORD, _NUMBER, _STRING, _NAME, _COMMENT, _OPERATOR, rb"[,()\[\];]", rb"\.(?![0-9.])", _PARAMETER, _DOLLARS])
NINE, DOLLAR = ord("9"), ord("$")
_SIMPLE = re.compile(rb"(" + _TOKEN + rb")|[^ \t\n\r\f\v]")


def _simple_tokens(sql: bytes) -> list[bytes]:
    """Return what `_tokens` returns, or nothing where the scanner has to be asked."""
    tokens = _SIMPLE.findall(sql)
    if b"" in tokens:
        return []
    tokens = [token.lower() if token[0] > NINE else token for token in tokens if not token.startswith(b"--")]
    quotes = [n for n, token in enumerate(tokens) if token[0] == DOLLAR and token[-1] == DOLLAR] if b"$" in sql else []
    return _with_bodies(sql, tokens, quotes) if quotes else tokens


def _with_bodies(sql: bytes, tokens: list[bytes], quotes: list[int]) -> list[bytes]:
    """Return the tokens with `$$` around each body; nothing where a dollar quote holds data, or ends elsewhere.

    `quotes` are the positions of dollar quotes among the tokens, read as if what they enclose were code.
    """
    tags = Counter(tokens[n] for n in quotes)
    if len(quotes) % 2 or any(sql.count(tag) != number for tag, number in tags.items()):
        return []
    end = -1
    for opening, closing in zip(quotes[::2], quotes[1::2], strict=True):
        if opening < end or tokens[opening] != tokens[closing]:
            return []
        start = opening
        while start > end + 1 and tokens[start - 1] != b";":
            start -= 1
        try:
            end = tokens.index(b";", closing)
        except ValueError:
            end = len(tokens)
        statement = [*tokens[start : opening + 1], *tokens[closing + 1 : end]]
        if not _has_body(statement) or not (tokens[opening - 1] == b"as" or statement[0] == b"do"):
            return []
    for n in quotes:
        tokens[n] = b"$$"
    return tokens


def _scanned(sql: bytes) -> list[bytes] | None:
    """Ask PostgreSQL's scanner; nothing comes of a text that does not scan."""
    import postgast

    try:
        return list(_tokens(sql, bodies=True))
    except postgast.PgQueryError:
        return None


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
