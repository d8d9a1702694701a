"""Where the files that travel with dbkit are: beside the code in a wheel, above it in a checkout."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import dbkit


@lru_cache(maxsize=1)
def reference_folder() -> Path:
    """Return the folder that holds the reference project (dbkit.toml, schemas/, migrations/ …)."""
    package = Path(dbkit.__file__).resolve().parent
    bundled = package / "reference"
    return bundled if (bundled / "dbkit.toml").is_file() else package.parents[1]


def shared_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders of shared templates: the project's own, which win, then ours."""
    own, ours = root / "schemas" / "_shared", reference_folder() / "schemas" / "_shared"
    return (own,) if own.resolve() == ours.resolve() else (own, ours)
