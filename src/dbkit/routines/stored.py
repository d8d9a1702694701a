"""Routines as the journal has them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dbkit.source import headers
from dbkit.source.repeatables import Routine
from dbkit.source.script import Script


def stored_routine(name: str, text: str, phase: str, root: Path, among: Iterable[str]) -> Routine:
    """Return a deployed routine; what its errors name is the file that it would have under `root`.

    Of what it says to depend on, what is not `among` the ids of those that are there does not count.
    """
    found = headers.read_headers(text, headers.ROUTINE_HEADERS, name)
    words = re.findall(r"[^,\s]+", found.get("depends", ""))
    depends = tuple(word for word in words if any(other.endswith(f"/{word}") for other in among))
    return Routine(name, Script(root / name, text, {}, ()), "before" if phase == "before" else "after", depends, None)
