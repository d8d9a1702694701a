"""Jinja: `.sql.j2` files become SQL, and every line of that SQL remembers where it came from."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    from jinja2 import Environment, FileSystemBytecodeCache, Template
    from jinja2.lexer import Token, TokenStream


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of a source file."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def render(path: Path, context: Mapping[str, Any], includes: tuple[Path, ...]) -> str:
    """Return the SQL that the file stands for; a file that is no `.j2` is verbatim.

    `includes` are the folders in which `{% include %}` and `{% from %}` look, in order.
    Raises ConfigurationError with the file and line, inside macros and includes too.
    """
    text = read_source(path)
    if path.suffix != ".j2" or not any(tag in text for tag in ("{{", "{%", "{#")):
        return text
    return _render(_compile(_environment(includes, marked=False), path), path, context)


def origins(path: Path, context: Mapping[str, Any], includes: tuple[Path, ...], rendered: str) -> list[Origin]:
    """Return the origin of each line of the rendering (line n at index n - 1).

    Falls back to line 1 of the file where the rendering can't be marked without changing it.
    """
    lines = rendered.split("\n")
    if path.suffix != ".j2":
        return [Origin(path, number) for number, _ in enumerate(lines, 1)]
    environment = _environment(includes, marked=True)
    marked = _render(_compile(environment, path), path, context)
    if MARK.sub("", marked) != rendered:
        return [Origin(path, 1)] * len(lines)
    here = Origin(path, 1)
    found = []
    for line in marked.split("\n"):
        for file, number in MARK.findall(line[: len(line) - len(LEADING.sub("", line))]):
            here = Origin(Path(file), int(number))  # the last one before the line's first word
        found.append(here)
        for file, number in MARK.findall(line):
            here = Origin(Path(file), int(number))
    return found


WHOLE = "file:"  # begins the name of a template that is no include
MARK = re.compile("\x01([^\x01\x02]*):([0-9]+)\x02")
LEADING = re.compile("^(?:\\s*\x01[^\x01\x02]*\x02)+")


def read_source(path: Path) -> str:
    """Return the file's text with LF line ends and no BOM.

    Raises ConfigurationError for bytes that are not UTF-8, and for NUL.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 half the time of Path.read_bytes
            data = file.read()
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if not (b"\r" in data or b"\x00" in data or data.startswith(codecs.BOM_UTF8)):
        with suppress(UnicodeDecodeError):
            return data.decode()
    return "".join(read_chunks(path))  # which knows where what is wrong stands


def read_chunks(path: Path, size: int = 1 << 18) -> Iterator[str]:
    """Yield what `read_source` returns, about `size` bytes at a time."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line, held = 1, ""
    for data in _bytes(path, size):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as exc:
            line += data.count(b"\n", 0, max(exc.start - pending, 0))
            byte = f"0x{exc.object[exc.start]:02x}"
            raise ConfigurationError(f"not UTF-8: byte {byte}", where=f"{path}:{line}", hint="save the file as UTF-8") from exc
        if (nul := text.find("\x00")) >= 0:
            line += text.count("\n", 0, nul)
            raise ConfigurationError(
                "the file holds a NUL byte", where=f"{path}:{line}", hint="PostgreSQL takes none: is this a text file?"
            )
        line += text.count("\n")
        text = held + text
        held = "\r" if text.endswith("\r") and data else ""
        text = text[:-1] if held else text
        yield text.replace("\r\n", "\n") if "\r" in text else text


def _bytes(path: Path, size: int) -> Iterator[bytes]:
    """Yield the file's bytes, and at its end none."""
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(size):
                yield data
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    yield b""


def _unreadable(path: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"can't read {path}: {exc.strerror}")


def identifier(value: str) -> str:
    """Quote a name for SQL where it needs quotes."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", value) and not _is_keyword(value)
    return value if plain else '"{}"'.format(value.replace('"', '""'))


@lru_cache
def _is_keyword(word: str) -> bool:
    """Say whether PostgreSQL takes the bare word for more than a name in some place."""
    import postgast

    kinds = postgast.pg_query_pb2.KeywordKind
    return postgast.scan(word).tokens[0].keyword_kind not in {kinds.Value("NO_KEYWORD"), kinds.Value("UNRESERVED_KEYWORD")}


def literal(value: str | float) -> str:
    """Write a number or a text as an SQL literal."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return f"({value})" if str(value).startswith("-") else str(value)  # after a minus it would be a comment
    quoted = value.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in value else f"'{quoted}'"


def jsonb(value: object) -> str:
    """Write a table of the manifest as a jsonb literal, keys sorted."""
    return f"{literal(json.dumps(value, sort_keys=True))}::jsonb"


@lru_cache(maxsize=16)
def _environment(includes: tuple[Path, ...], *, marked: bool) -> Environment:
    import jinja2
    from jinja2.ext import Extension
    from jinja2.lexer import Token

    class Marks(Extension):
        """Puts `\\x01file:line\\x02` before each line of data and each expression."""

        def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
            for token in stream:
                if token.type == "data":
                    pieces = token.value.split("\n")
                    value = "\n".join(f"\x01{stream.filename}:{token.lineno + n}\x02{piece}" for n, piece in enumerate(pieces))
                    yield Token(token.lineno, "data", value)
                elif token.type == "variable_begin":
                    yield Token(token.lineno, "data", f"\x01{stream.filename}:{token.lineno}\x02")
                    yield token
                else:
                    yield token

    def load(name: str) -> tuple[str, str, None]:
        is_whole = name.startswith(WHOLE)
        candidates = [Path(name.removeprefix(WHOLE))] if is_whole else [folder / name for folder in includes]
        if not is_whole and (name.startswith("/") or ".." in name.split("/")):
            candidates = []  # what a rendering depends on lies in the folders
        for path in candidates:
            if path.is_file():
                return read_source(path), str(path), None
        raise jinja2.TemplateNotFound(name)

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,
        extensions=[Marks] if marked else [],
        bytecode_cache=None if marked else _bytecode_cache(),  # its key is the source alone
        finalize=_printable,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 the output is SQL
    )
    environment.filters |= {"ident": identifier, "literal": literal, "jsonb": jsonb, "random": _no_chance}
    environment.globals["lipsum"] = _no_chance
    return environment


def _printable(value: object) -> object:
    """Let through what has one text; that of any other object may be its address in memory, or in no order."""
    from jinja2 import Undefined

    if value is None or isinstance(value, str | int | float | Undefined):  # the last one says itself what is undefined
        return value
    what, how = ("a function", "call it: ()") if callable(value) else (f"a {type(value).__name__}", "write it with |jsonb or |join")
    raise TypeError(f"{what} is no text: {how}")


def _no_chance(*_: object, **__: object) -> NoReturn:
    """Stand for all in Jinja that renders to a different text each time."""
    raise ValueError("a random value has no place in SQL that is compared by its text")


def _bytecode_cache() -> FileSystemBytecodeCache | None:
    """Keep compiled templates in the user's temporary folder: compiling is most of a run that finds nothing to do."""
    import jinja2

    try:
        return jinja2.FileSystemBytecodeCache(pattern="__dbkit_%s.cache")  # what other settings compiled would be taken for ours
    except (RuntimeError, OSError):
        return None  # no folder there that only this user can write


def _compile(environment: Environment, path: Path) -> Template:
    import jinja2

    try:
        return environment.get_template(f"{WHOLE}{path}")
    except jinja2.TemplateSyntaxError as exc:
        raise ConfigurationError(f"template: {exc.message}", where=f"{exc.filename or path}:{exc.lineno}") from exc


def _render(template: Template, path: Path, context: Mapping[str, Any]) -> str:
    import jinja2

    try:
        return template.render(context)
    except jinja2.TemplateSyntaxError as exc:
        raise ConfigurationError(f"template: {exc.message}", where=f"{exc.filename or path}:{exc.lineno}") from exc
    except jinja2.TemplateNotFound as exc:
        raise ConfigurationError(f"no template {exc.name!r} to include", where=_place(exc, path)) from exc
    except jinja2.UndefinedError as exc:
        hint = f"known here: {', '.join(sorted(context))}" if str(exc).endswith("is undefined") else None
        if "rules" not in context and "'rules' is undefined" in str(exc):
            hint = "a versioned migration sees names only; a business number reaches the database through a repeatable in schemas/"
        raise ConfigurationError(f"template: {exc.message}", where=_place(exc, path), hint=hint) from exc
    except (TypeError, ValueError, AttributeError, ArithmeticError) as exc:
        raise ConfigurationError(f"template: {exc}", where=_place(exc, path)) from exc


def _place(exc: BaseException, path: Path) -> str:
    """Return `file:line` of the innermost template frame of the traceback."""
    place = f"{path}:1"
    trace = exc.__traceback__
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if name.endswith(".j2"):
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
