"""Which programs of PostgreSQL a system has, in all the versions that are installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

# where a system keeps them: Debian, Homebrew on Apple's and on Intel's processors
INSTALLED = (
    "usr/lib/postgresql/*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


def installed(program: str) -> Iterator[tuple[int, Path]]:
    """Yield each program of that name that runs, with its major: those of the system's folders, then the one on the PATH."""
    on_path = shutil.which(program)
    folders = [folder for pattern in INSTALLED for folder in sorted(Path("/").glob(pattern))]
    for path in [*(folder / program for folder in folders), *([Path(on_path)] if on_path else [])]:
        major = major_of(path) if path.is_file() else None
        if major:
            yield major, path


def major_of(program: Path) -> int | None:
    """Return the major version that a program prints; None where it does not run."""
    import subprocess

    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    version = re.search(r"\) (\d+)", shown)
    return int(version[1]) if version else None
