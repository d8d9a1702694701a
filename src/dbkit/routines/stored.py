"""Routines as the journal has them."""

from __future__ import annotations

import re
from pathlib import Path

from dbkit.source import headers
from dbkit.source.files import Routine, Script


def stored_routine(name: str, text: str, phase: str, root: Path) -> Routine:
    """Return a deployed routine; what its errors name is the file that it would have under `root`."""
    found = headers.read_headers(text, headers.ROUTINE_HEADERS, name)
    depends = tuple(re.findall(r"[^,\s]+", found.get("depends", "")))
    return Routine(name, Script(root / name, text, {}, ()), "before" if phase == "before" else "after", depends, None)
