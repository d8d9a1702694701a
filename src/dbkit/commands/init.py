"""dbkit init"""

from __future__ import annotations

from pathlib import Path

import click

from dbkit.commands import Invocation, invocation
from dbkit.errors import ConfigurationError

MINIMAL = {
    "dbkit.toml": """\
[project]
name = "{name}"

[services.main]
""",
    "migrations/main/0001_create_notes.sql": """\
-- The first migration. Applied once, in one transaction, together with its mark.
CREATE TABLE main.notes (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT notes_pkey PRIMARY KEY,
    body text NOT NULL CONSTRAINT notes_body_check CHECK (body <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE main.notes IS 'Notes, the first table of this project.';
""",
    "migrations/main/0001_create_notes.rollback.sql": """\
DROP TABLE main.notes;
""",
    ".gitignore": ".dbkit/\n",
}


@click.command("init")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--template", type=click.Choice(["minimal", "shop"]), default="minimal", show_default=True, help="What to start from.")
@invocation
def command(call: Invocation, folder: Path, template: str) -> None:
    """Start a project: the smallest there is, or a copy of the reference shop.

    \b
    Example:  dbkit init --template shop shop && cd shop && dbkit migrate
    \b
    Exit codes: 0 made · 2 there is a project in that folder already
    """
    if (folder / "dbkit.toml").exists():
        raise ConfigurationError(f"there is a project in {folder} already", hint="name another folder")
    files = _shop() if template == "shop" else {Path(path): text.encode() for path, text in _minimal(folder).items()}
    taken = [path for path in files if (folder / path).exists() and path.name != ".gitignore"]
    if taken:
        raise ConfigurationError(f"{folder / taken[0]} is there already", hint="name an empty folder")
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / path).exists():
            (folder / path).write_bytes(data)
    shown = "." if folder == Path() else folder
    if call.output.as_json:
        call.output.document({"folder": str(folder), "files": [str(path) for path in files]})
        return
    call.output.line(f"{len(files)} files in {shown}")
    call.output.line("next:")
    call.output.line(f"    dbkit --project {shown} migrate" if folder != Path() else "    dbkit migrate")
    call.output.line(f"    dbkit --project {shown} health" if folder != Path() else "    dbkit health")


def _minimal(folder: Path) -> dict[str, str]:
    import re

    name = re.sub(r"[^a-z0-9_]+", "_", folder.resolve().name.lower()).strip("_0123456789") or "app"
    return {path: text.replace("{name}", name[:40]) for path, text in MINIMAL.items()}


def _shop() -> dict[Path, bytes]:
    """Return the reference project's files; the templates that the package carries stay there."""
    from dbkit.project.reference import reference_folder

    source = reference_folder()
    folders = ("migrations", "schemas", "lua", "seeds", "tests/shop")
    found = {Path("dbkit.toml"): (source / "dbkit.toml").read_bytes(), Path(".gitignore"): b".dbkit/\n"}
    for folder in folders:
        for path in sorted((source / folder).rglob("*")):
            relative = path.relative_to(source)
            if path.is_file() and "_shared" not in relative.parts and "__pycache__" not in relative.parts:
                found[relative] = path.read_bytes()
    return found
