"""The configuration files of other tools: properties, TOML, git's form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from dbkit.errors import ConfigurationError
from dbkit.source.templates import read_source


def read_properties(path: Path) -> dict[str, str]:
    """Read `key = value` lines."""
    lines = (line.strip() for line in read_source(path).split("\n"))
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith(("#", "!")))
    return {key.strip(): value.strip() for key, _, value in pairs}


def read_toml(path: Path) -> dict[str, str]:
    """Read a TOML file, tables joined to dotted keys."""
    try:
        return dict(_flat(tomllib.loads(read_source(path)), ""))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"not valid TOML: {exc}", where=f"{path}:1") from exc


def _flat(table: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    found = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, str(value).lower() if isinstance(value, bool) else str(value)))
    return found


def read_sections(path: Path) -> dict[str, dict[str, str]]:
    """Read a file in git's form; the section `[deploy "variables"]` is named `deploy.variables`."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for raw in read_source(path).split("\n"):
        line = raw.strip()
        if header := re.fullmatch(r'\[\s*([\w.-]+)(?:\s+"([^"]*)")?\s*\]', line):
            section = found.setdefault(".".join(filter(None, header.groups())), {})
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            section[key.strip()] = value.strip().strip('"')
    return found
