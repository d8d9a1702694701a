"""What the project's checkout knows of its files."""

from __future__ import annotations

import subprocess
from pathlib import Path


def ask(root: Path, *arguments: str) -> str | None:
    """Return what git prints; None where there is no git, or it refuses."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)  # noqa: S607 the user's git
    except OSError:
        return None
    return None if done.returncode else done.stdout


def uncommitted(root: Path, paths: list[Path]) -> list[Path]:
    """Return those of the files that no commit holds as they are now: all, outside of a checkout."""
    found = ask(root, "status", "--porcelain", "--ignored", "-z", "--", *map(str, paths))
    if found is None:
        return paths
    return [path for path in paths if any(line[3:].endswith(path.name) for line in found.split("\0"))]


def default_branch(root: Path) -> str | None:
    """Return the branch that others build upon: what `origin` calls its HEAD, else main or master."""
    named = ask(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    candidates = [named.strip()] if named else ["origin/main", "origin/master", "main", "master"]
    return next((name for name in candidates if ask(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")), None)


def files_in(root: Path, revision: str, folder: Path) -> set[str] | None:
    """Return the names of the files that a revision has in a folder; None where git knows no such revision."""
    found = ask(root, "ls-tree", "--name-only", "-z", "--full-tree", "-r", f"{revision}^{{commit}}")
    top = ask(root, "rev-parse", "--show-toplevel")
    if found is None or top is None:
        return None
    return {path.name for line in found.split("\0") if line and (path := Path(top.strip()) / line).parent == folder.resolve()}
