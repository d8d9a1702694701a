"""sqitch: the plan says the order; a change has a deploy and a revert script, which psql runs."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, nearest
from dbkit.layouts.meta_commands import Includes, plain_sql
from dbkit.layouts.settings import read_sections
from dbkit.layouts.steps import Layout, Left, Mark, Reading, Step, files_in, sort_out
from dbkit.source.templates import read_source

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

PRAGMA = re.compile(r"%\s*(?P<name>[\w-]+)\s*=\s*(?P<value>.*)")
LINE = re.compile(r"(?P<tag>@)?[+\s]*(?P<name>[^\s@\[#]+)\s*(?:\[(?P<depends>[^\]]*)\])?.*")


@dataclass(slots=True)
class Change:
    """A line of the plan; `id` tells a rework (`name#2`) from what it reworks, `tags` are those that follow it."""

    id: str
    name: str
    depends: tuple[str, ...]
    tags: list[str] = field(default_factory=list)
    rework_tags: tuple[str, ...] = ()


def read(folder: Path) -> Reading:
    """Read sqitch.plan and the scripts that it names, under the names that sqitch gives to what was reworked."""
    conf = read_sections(folder / "sqitch.conf") if (folder / "sqitch.conf").is_file() else {}
    engine = conf.get(f"engine.{conf.get('core', {}).get('engine', 'pg')}", {})
    core = conf.get("core", {}) | {key: value for key, value in engine.items() if key in {"top_dir", "plan_file", "extension"} | _FOLDERS}
    top = folder / core.get("top_dir", ".")
    plan = folder / core["plan_file"] if "plan_file" in core else top / "sqitch.plan"
    if not plan.is_file():
        raise ConfigurationError(f"no sqitch.plan in {top}", hint="name the folder that has sqitch.plan, or sqitch.conf")
    project, changes = read_plan(read_source(plan), str(plan))
    places = {kind: folder / core[f"{kind}_dir"] if f"{kind}_dir" in core else top / kind for kind in ("deploy", "revert", "verify")}
    variables = {f"{kind}.variables": conf.get("core.variables", {}) | conf.get(f"{kind}.variables", {}) for kind in ("deploy", "revert")}
    includes = Includes(folder)
    steps: list[Step] = []
    used: set[Path] = set()
    for change in changes:
        paths = {kind: _script(place, change, core.get("extension", "sql")) for kind, place in places.items()}
        used |= set(paths.values())
        steps.append(_step(change, changes, paths, variables, includes))
    there = {kind: files_in(place, deep=True) if place.is_dir() else [] for kind, place in places.items()}
    left = [Left(places["verify"], "verify scripts: what they check, a test of your own can")] if there["verify"] else []
    strangers = [path for path in there["deploy"] + there["revert"] if path not in used | includes.seen]
    return Reading(tuple(steps), {}, sort_out(strangers, f"the plan names no such change: {plan}", left), project)


_FOLDERS = {"deploy_dir", "revert_dir", "verify_dir"}


def read_plan(text: str, where: str) -> tuple[str, list[Change]]:
    """Return the project's name and its changes in order, with the tags between each and its rework."""
    project = ""
    changes: list[Change] = []
    seen: Counter[str] = Counter()
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.partition("#")[0].strip()
        if pragma := PRAGMA.fullmatch(line):
            project = pragma["value"].strip() if pragma["name"] == "project" else project
        elif match := LINE.fullmatch(line) if line else None:
            if match["tag"]:
                if not changes:
                    raise ConfigurationError(f"tag @{match['name']} stands before the first change", where=f"{where}:{number}")
                changes[-1].tags.append(match["name"])
            else:
                seen[match["name"]] += 1
                count = seen[match["name"]]
                identity = match["name"] if count == 1 else f"{match['name']}#{count}"
                changes.append(Change(identity, match["name"], tuple((match["depends"] or "").split())))
    if not project:
        raise ConfigurationError("the plan has no %project", where=f"{where}:1")
    for index, change in enumerate(changes):
        later = next((n for n in range(index + 1, len(changes)) if changes[n].name == change.name), None)
        if later is not None:  # the nearest to the rework first: sqitch looks for the file under each
            change.rework_tags = tuple(tag for other in reversed(changes[index:later]) for tag in reversed(other.tags))
            if not change.rework_tags:
                raise ConfigurationError(f"{change.name!r} is reworked without a tag between", where=f"{where}:1")
    return project, changes


def _script(folder: Path, change: Change, extension: str) -> Path:
    """Return where a script of the change stands: what was reworked later is named after a tag between."""
    candidates = [folder / f"{change.name}@{tag}.{extension}" for tag in change.rework_tags] or [folder / f"{change.name}.{extension}"]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _step(change: Change, changes: list[Change], paths: dict[str, Path], variables: dict[str, dict[str, str]], includes: Includes) -> Step:
    deploy, revert = paths["deploy"], paths["revert"]
    if not deploy.is_file():
        raise ConfigurationError(f"change {change.id!r} of the plan has no deploy script", where=f"{deploy}:1")
    return Step(
        id=change.id,
        name=deploy.relative_to(deploy.parents[change.name.count("/")]).with_suffix("").as_posix(),
        path=deploy,
        up=plain_sql(deploy, variables["deploy.variables"], includes),
        down=plain_sql(revert, variables["revert.variables"], includes) if revert.is_file() else None,
        irreversible="sqitch has no revert script for it",
        depends=tuple(_resolved(change, changes, word, str(deploy)) for word in change.depends if word[0] != "!" and ":" not in word),
        checksum=hashlib.sha1(deploy.read_bytes()).hexdigest(),  # noqa: S324 sqitch's own
    )


def _resolved(change: Change, changes: list[Change], word: str, where: str) -> str:
    """Return the id of the change that a dependency means: `name`, `name@tag`, `@tag`."""
    name, _, tag = word.partition("@")
    before = changes[: changes.index(change)]
    if tag:
        end = next((n for n, other in enumerate(before) if tag in other.tags), None)
        before = before[: end + 1] if end is not None else []
    found = next((other.id for other in reversed(before) if name in {"", other.name}), None)
    if found is None:
        raise ConfigurationError(
            f"{change.id!r} requires {word!r}, which is not before it{nearest(word, [other.name for other in changes])}", where=f"{where}:1"
        )
    return found


def applied(connection: psycopg.Connection[tuple[Any, ...]], table: Composed, reading: Reading) -> list[Mark]:
    """The changes of this project; the second row of a name is its rework."""
    query = b"SELECT change, script_hash FROM " + table.as_bytes(connection) + b" WHERE project = %s ORDER BY committed_at"
    seen: Counter[str] = Counter()
    found = []
    for name, digest in connection.execute(query, [reading.project]).fetchall():
        seen[name] += 1
        found.append(Mark(name if seen[name] == 1 else f"{name}#{seen[name]}", digest))
    return found


LAYOUT = Layout(read, ("changes",), frozenset({"change_id", "script_hash", "project"}), applied)
