"""PL/pgSQL bodies, parsed by PostgreSQL's own grammar without a server.

libpg_query knows no catalog: a type of another schema stops it ("Not implemented"), and one that it does not know it takes
for a record. Only what can't come from that is reported; where a type stands in the way, a stand-in takes its place.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# What is wrong whatever the types are. "x.y is not a known variable" is not among them: x may be a row.
CERTAIN = re.compile(
    r"syntax error|unterminated|mismatched parentheses|missing |end label|"
    r'"\w+" is not a known variable|unrecognized exception condition|too (many|few) parameters specified for RAISE|'
    r"cannot be used outside a loop|duplicate declaration|is declared CONSTANT|RAISE option already specified|"
    r"RETURN cannot have a parameter in function (returning (set|void)|with OUT)|cannot use RETURN (NEXT|QUERY) in a non-SETOF"
)
_QUALIFIED = re.compile(r"\b(\w+)(\s+(?:CONSTANT\s+)?)(?!pg_catalog\.)[a-z_]\w*\.\w+(?![\w.])(%ROWTYPE|%TYPE)?(\s*\[)?", re.IGNORECASE)
_DECLARATIONS = re.compile(r"\bDECLARE\b.*?\bBEGIN\b", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Compiled:
    """The tree of a body, or what is wrong with it; neither where libpg_query can't tell.

    `line` counts as PL/pgSQL does: 1 is the line of the opening quote.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    line: int = 1

    @cached_property
    def _nodes(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        _collect(self.tree, found)
        return found

    def nodes(self, kind: str) -> list[dict[str, Any]]:
        """Return every node of a kind, outer ones first: stmt_commit, stmt_dynexecute, exception."""
        return self._nodes.get(f"PLpgSQL_{kind}", [])


def _collect(tree: Any, found: dict[str, list[dict[str, Any]]]) -> None:
    for key, value in tree.items():
        if key.startswith("PLpgSQL_"):
            found[key].append(value)
        if isinstance(value, dict):
            _collect(value, found)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    _collect(item, found)


def find_nodes(tree: Any, name: str) -> Iterator[dict[str, Any]]:
    """Yield the nodes of that name anywhere in a part of a tree."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == name:
                yield value
            yield from find_nodes(value, name)
    elif isinstance(tree, list):
        for item in tree:
            yield from find_nodes(item, name)


def compile_function(text: str) -> Compiled:
    """Parse the body of one CREATE FUNCTION, CREATE PROCEDURE or DO."""
    first = _attempt(text)
    if first is not None:
        return first
    return _attempt(_with_stand_ins(text)) or Compiled()


def _attempt(text: str) -> Compiled | None:
    import postgast

    try:
        return Compiled(tree={"functions": postgast.parse_plpgsql(text)})
    except json.JSONDecodeError as exc:
        return _repaired(exc.doc)
    except postgast.PgQueryError as exc:
        if not CERTAIN.match(exc.message):
            return None
        near = re.search(r"near line (\d+)", exc.context or "")
        return Compiled(error=exc.message, line=int(near[1]) if near else 1)


def _repaired(document: str) -> Compiled | None:
    """Read the JSON of a trigger function, in which libpg_query closes one brace too many for each TG_ variable."""
    try:
        return Compiled(tree={"functions": json.loads(re.sub(r"(?<=[\[,])\{\}\}", "{}", document))})
    except json.JSONDecodeError:
        return None


def _with_stand_ins(text: str) -> str:
    """Replace the types of other schemas: `record` where a field of the variable is used, else `text`."""

    def stand_in(match: re.Match[str]) -> str:
        name, space, suffix, bracket = match.groups()
        is_row = suffix == "%ROWTYPE" or name.upper() == "SETOF" or re.search(rf"\b{re.escape(name)}\.\w", text)
        return f"{name}{space}{'record' if is_row and not bracket else 'text'}{bracket or ''}"

    body = re.search(r"\bAS\s+(\$|')", text)
    end = body.start() if body else 0
    header = _QUALIFIED.sub(stand_in, text[:end])
    return header + _DECLARATIONS.sub(lambda part: _QUALIFIED.sub(stand_in, part[0]), text[end:])
