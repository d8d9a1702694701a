"""Health checks: one `.sql` template each, its header says how the answer is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dbkit.errors import ConfigurationError, nearest
from dbkit.project.reference import shared_folders
from dbkit.source import templates

KEYS = ("id", "title", "category", "unit", "warning", "critical", "direction", "server", "requires", "why", "remedy", "source")
ANY_SCHEMA = "{schema}"  # what ops has in place of a schema, for the schemas of a database share ops


@dataclass(frozen=True, slots=True)
class Check:
    """A SELECT that returns (object text, value numeric, detail text), and its thresholds."""

    id: str
    title: str
    category: str
    unit: str
    warning: float | None
    critical: float | None
    direction: Literal["above", "below"]
    server: int
    requires_relation: str | None
    requires_extension: str | None
    why: str
    remedy: str
    source: str
    query: str
    path: Path


def load_checks(root: Path, context: Mapping[str, Any]) -> list[Check]:
    """Read every check of the shared folders; a project's own file wins over ours."""
    includes = shared_folders(root)
    files: dict[str, Path] = {}
    for folder in reversed(includes):
        files |= {path.name: path for path in folder.glob("*/health/*.sql.j2")}
    return [_check(files[name], context, includes) for name in sorted(files)]


def _check(path: Path, context: Mapping[str, Any], includes: tuple[Path, ...]) -> Check:
    text = templates.render(path, context, includes)
    header, query = _split(text)
    for key in header:
        if key not in KEYS:
            raise ConfigurationError(f"a health check has no header {key!r}{nearest(key, list(KEYS))}", where=f"{path}:1")
    for key in ("id", "title", "category", "unit", "why", "remedy"):
        if key not in header:
            raise ConfigurationError(f"the health check lacks the header {key!r}", where=f"{path}:1")
    requires = header.get("requires", "").split()
    relation = requires[1] if len(requires) == 2 and requires[0] == "relation" else None
    return Check(
        id=header["id"],
        title=header["title"],
        category=header["category"],
        unit=header["unit"],
        warning=float(header["warning"]) if "warning" in header else None,
        critical=float(header["critical"]) if "critical" in header else None,
        direction="below" if header.get("direction") == "below" else "above",
        server=int(re.sub(r"\D", "", header.get("server", "0"))),
        requires_relation=relation,
        requires_extension=requires[0] if len(requires) == 1 else None,
        why=header["why"],
        remedy=header["remedy"],
        source=header.get("source", ""),
        query=query,
        path=path,
    )


def _split(text: str) -> tuple[dict[str, str], str]:
    """Take the header lines off; a line that continues one starts with `--` and spaces."""
    header: dict[str, str] = {}
    lines = text.strip().split("\n")
    last = ""
    while lines and lines[0].startswith("--"):
        line = lines.pop(0)
        if match := re.match(r"--\s?([a-z]+):\s*(.*)$", line):
            last = match[1]
            header[last] = match[2].strip()
        elif last:
            header[last] += " " + line.lstrip("- ").strip()
    return header, "\n".join(lines).strip().rstrip(";")
