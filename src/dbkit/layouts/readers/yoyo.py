"""yoyo: name.sql and name.rollback.sql, as here; steps in Python beside them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, nearest
from dbkit.layouts.steps import Layout, Left, Mark, Reading, Step, Text, files_in, refuse_repeated, sort_out
from dbkit.source.files import ordered
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

DIRECTIVE = re.compile(r"\s*--\s*(transactional|depends)\s*:\s*(.*)")
COMMENT = re.compile(r"\s*(?:--.*)?")


def read(folder: Path) -> Reading:
    """Read the files of the folder in yoyo's order: by name, each after what it depends on."""
    found: dict[str, Step] = {}
    left, strangers = [], []
    for path in files_in(folder):
        if path.name.endswith(".rollback.sql"):
            if not (folder / f"{path.name.removesuffix('.rollback.sql')}.sql").is_file():
                raise ConfigurationError("a rollback without its migration", where=f"{path}:1")
        elif path.name.startswith("post-apply"):
            left.append(Left(path, "a hook: what is to run again belongs into a routine", doubt=True))
        elif path.suffix in {".sql", ".py"}:
            step = _sql_step(path) if path.suffix == ".sql" else Step(path.stem, path.stem, path, None, depends=_depends_in_code(path))
            if step.id in found:
                refuse_repeated([found[step.id], step])
            found[step.id] = step
        else:
            strangers.append(path)
    for step in found.values():
        for wanted in step.depends:
            if wanted not in found:
                raise ConfigurationError(f"depends on {wanted!r}, which is not there{nearest(wanted, list(found))}", where=f"{step.path}:1")
    order = ordered({name: found[name].depends for name in sorted(found)}, where=lambda name: f"{found[name].path}:1")
    return Reading(tuple(found[name] for name in order), {}, sort_out(strangers, "yoyo reads name.sql and name.rollback.sql", left))


def _sql_step(path: Path) -> Step:
    directives, sql = split(read_source(path))
    value = directives.get("transactional", "true").lower()
    if value not in {"true", "false"}:
        raise ConfigurationError(f"transactional must be true or false, not {value!r}", where=f"{path}:1", hint="yoyo refuses it too")
    transactional = value == "true"
    rollback = path.with_name(f"{path.stem}.rollback.sql")
    down = Text(split(read_source(rollback))[1], transactional) if rollback.is_file() else None
    depends = tuple(dict.fromkeys(directives.get("depends", "").split()))
    return Step(path.stem, path.stem, path, Text(sql, transactional), down, "yoyo has no rollback file for it", depends)


def split(text: str) -> tuple[dict[str, str], str]:
    """Return the directives of the leading comments, and the text without those lines."""
    directives: dict[str, str] = {}
    kept, lines = [], text.split("\n")
    for index, line in enumerate(lines):
        if match := DIRECTIVE.fullmatch(line):
            directives[match[1]] = f"{directives[match[1]]} {match[2]}" if match[1] in directives else match[2].strip()
        elif COMMENT.fullmatch(line):
            kept.append(line)
        else:
            return directives, "\n".join([*kept, *lines[index:]])
    return directives, "\n".join(kept)


def _depends_in_code(path: Path) -> tuple[str, ...]:
    """Return what `__depends__` says, where it is a plain literal."""
    try:
        tree = ast.parse(read_source(path))
        for node in tree.body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__depends__" for t in node.targets):
                value = ast.literal_eval(node.value)
                return (value,) if isinstance(value, str) else tuple(sorted(value))
    except (SyntaxError, ValueError) as exc:
        raise ConfigurationError(f"__depends__ can't be read: {exc}", where=f"{path}:1") from exc
    return ()


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """One row a migration; before version 6 yoyo called the column `id`."""
    del reading
    cursor = connection.execute(b"SELECT * FROM " + table.as_bytes(connection))
    names = [column.name for column in cursor.description or []]
    column = names.index("migration_id" if "migration_id" in names else "id")
    return [Mark(row[column]) for row in cursor.fetchall()]


LAYOUT = Layout(read, ("_yoyo_migration", "yoyo_migration"), frozenset(), applied)
