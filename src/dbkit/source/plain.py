"""Scripts of statements that no check has anything against: PostgreSQL's parser sees them, and no parse tree leaves it.

Packing a tree, unpacking it here, and importing what can, take ten times as long as parsing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

_BEFORE = r"(?:\s++|--[^\n]*+\n|;)*+"
_MADE = r"create\s+(?:or\s+replace\s+)?(?:table|function|procedure|view|trigger|sequence)|comment\s+on"
_ENDED = r"drop\s+(?:table|function|procedure|view|trigger|sequence)"
# of what a script makes nothing stands in a routine's way; of what a rollback's ends, that is nobody's question
_PLAIN = re.compile(rf"{_BEFORE}(?:{_MADE})\b", re.IGNORECASE)
_PLAIN_DOWN = re.compile(rf"{_BEFORE}(?:{_MADE}|{_ENDED})\b", re.IGNORECASE)


def plain(script: str, *, down: bool) -> int:
    """Return the number of statements if all are plain and the script parses, else 0: the long way tells what is wrong with it."""
    pattern = _PLAIN_DOWN if down else _PLAIN
    if not pattern.match(script):
        return 0
    library, data = _library(), script.encode()
    result = library.pg_query_split_with_parser(data)
    try:
        if result.error:
            return 0
        found = [result.stmts[n].contents for n in range(result.n_stmts)]
        texts = (data[s.stmt_location : s.stmt_location + s.stmt_len].decode() for s in found)
        return len(found) if all(pattern.match(text) for text in texts) else 0
    finally:
        library.pg_query_free_split_result(result)


@lru_cache(maxsize=1)
def _library() -> Any:
    """Load libpg_query through postgast's bindings alone: importing the package costs as much as importing the driver."""
    package = find_spec("postgast")
    assert package is not None  # noqa: S101 a dependency
    assert package.origin is not None  # noqa: S101 it is a folder of files
    spec = spec_from_file_location("dbkit_libpg_query", Path(package.origin).with_name("native.py"))
    assert spec is not None  # noqa: S101 a file of Python has one
    assert spec.loader is not None  # noqa: S101 and a loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lib
