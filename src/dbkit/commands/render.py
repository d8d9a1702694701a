"""dbkit render"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, services_argument

if TYPE_CHECKING:
    from dbkit.project.manifest import Project


@click.command("render")
@services_argument
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write files instead of printing.")
@invocation
def command(call: Invocation, services: tuple[str, ...], out: Path | None) -> None:
    """Print, or write, the SQL and Lua exactly as they would be sent.

    With --out, DIR/SERVICE/ has the migrations and rollbacks as plain .sql files that yoyo
    reads too, DIR/SERVICE/routines/ the repeatables, DIR/SERVICE/scripts/ the Lua.

    \b
    Example:  dbkit render order --out build/sql && yoyo list build/sql/order
    \b
    Exit codes: 0 rendered · 2 a template is wrong: its file and line are named
    """
    project = call.project
    for service in services:
        project.service(service)
    chosen = [name for name in project.manifest.services if not services or name in services]
    files = {path: text for service in chosen for path, text in _rendered(project, service).items()}
    if call.output.as_json:
        call.output.document({"files": [{"path": str(path), "text": text} for path, text in files.items()]})
    elif out is None:
        for path, text in files.items():
            comment = "--"
            click.echo(f"{comment} {path}\n{text.rstrip()}\n")
    else:
        for path, text in files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text, encoding="utf-8")
        call.output.line(f"{len(files)} files written to {out}")


def _rendered(project: Project, service: str) -> dict[Path, str]:
    if project.service(service).engine == "redis":
        from dbkit.redis.scripts import FUNCTIONS_SINCE, load_scripts

        return {
            Path(service) / "scripts" / f"{script.name}.lua": script.source(FUNCTIONS_SINCE) for script in load_scripts(project, service)
        }
    from dbkit.source.files import load_migrations
    from dbkit.source.repeatables import load_routines

    files: dict[Path, str] = {}
    for migration in load_migrations(project, service):
        files[Path(service) / f"{migration.name}.sql"] = migration.script.text
        if migration.rollback:
            files[Path(service) / f"{migration.name}.rollback.sql"] = migration.rollback.text
    for routine in load_routines(project, service):
        files[Path(service) / "routines" / f"{routine.id.partition('/')[2]}.sql"] = routine.script.text
    return files
