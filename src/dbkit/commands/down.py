"""dbkit down"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation
from dbkit.errors import LockedError


@click.command("down")
@invocation
def command(call: Invocation) -> None:
    """Stop the embedded servers; their data stays.

    \b
    Example:  dbkit down
    \b
    Exit codes: 0 they are stopped · 4 another command is using one
    """
    from dbkit.postgres import embedded
    from dbkit.redis import server as valkey

    targets = [target for target in call.services() if target.url is None]
    busy = []
    for engine in sorted({target.engine for target in targets}):
        target = next(t for t in targets if t.engine == engine)
        if engine == "redis":
            stopped = valkey.down(valkey.embedded_server(target.project.root, target.environment))
        else:
            stopped = embedded.down(embedded.embedded_server(target.project.root, target.environment, target.settings))
        name = "Valkey" if engine == "redis" else "PostgreSQL"
        if stopped:
            call.output.event(name, "stopped", "")
        else:
            busy.append(name)
    if busy:
        raise LockedError(f"another dbkit is using {' and '.join(busy)}", hint="they stop when it is done; nothing keeps them after that")
    if call.output.as_json:
        call.output.document({"stopped": [target.service for target in targets]})
