"""Write what says what the program says.

docs/cli.md from `--help`, docs/dbkit.schema.json from the manifest's structs, docs/errors.md from what is raised, and
docs/shop/SERVICE.er.md from the catalog of the migrated services.

With --check, write nothing and fail where a file is not what would be written.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import entity_diagrams
import error_reference

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ["COLUMNS"] = "100"


def command_reference() -> str:
    """Return every command's help, as the program prints it."""
    import click

    from dbkit.cli import program

    parts = [
        "# Commands",
        "",
        "Made from `--help` by ci/generate_docs.py; a test compares the two.",
        "",
        "## dbkit",
        "",
        _help([], program),
        "",
    ]
    context = click.Context(program, info_name="dbkit", max_content_width=100, terminal_width=100)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        parts += [f"## dbkit {name}", "", _help([name], command), ""]
    return "\n".join(parts)


def _help(path: list[str], command: object) -> str:
    import click

    assert isinstance(command, click.Command)
    parent = click.Context(click.Group("dbkit"), info_name="dbkit") if path else None
    context = click.Context(command, info_name=path[0] if path else "dbkit", parent=parent, max_content_width=100, terminal_width=100)
    return f"```text\n{command.get_help(context).rstrip()}\n```"


def manifest_schema() -> str:
    """Return the JSON schema of dbkit.toml."""
    import msgspec

    from dbkit.project.manifest import Manifest

    schema = msgspec.json.schema(Manifest)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dbkit.toml", **schema}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


FILES = {"docs/cli.md": command_reference, "docs/dbkit.schema.json": manifest_schema, "docs/errors.md": error_reference.page}


def main() -> int:
    """Write or compare; return the exit code."""
    stale = []
    texts = {name: make() for name, make in FILES.items()} | entity_diagrams.pages()
    for name, text in texts.items():
        path = ROOT / name
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"not what the program says: {', '.join(stale)}; run python ci/generate_docs.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
