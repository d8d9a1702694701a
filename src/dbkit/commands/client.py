"""dbkit client"""

from __future__ import annotations

from pathlib import Path

import click

from dbkit.commands import Invocation, invocation, service_argument
from dbkit.errors import ConfigurationError


@click.command("client")
@service_argument
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a file instead of printing.")
@invocation
def command(call: Invocation, service: str, out: Path | None) -> None:
    """Make a Python module that calls the scripts of a Redis service by typed methods.

    It is made from the scripts' headers, holds the scripts and the manifest's numbers, and needs redis-py alone:
    make it anew when one of them changes.

    \b
    Example:  dbkit client cart --out shop/cart_scripts.py
    \b
    Exit codes: 0 made · 2 a header is wrong: its file and line are named
    """
    if call.project.service(service).engine != "redis":
        raise ConfigurationError(f"{service!r} lives on PostgreSQL, and its functions need no client", hint=f"dbkit psql {service}")
    from dbkit.redis.client import generate

    text = generate(call.project, service)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    if call.output.as_json:
        call.output.document({"service": service, "file": str(out) if out else None, "text": text})
    elif out:
        call.output.line(f"{out} written")
    else:
        click.echo(text, nl=False)
