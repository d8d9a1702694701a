"""dbkit cleanup"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation, services_argument, url_option, yes_option
from dbkit.errors import ConfigurationError


@click.command("cleanup")
@services_argument
@click.option("--dry-run", is_flag=True, help="Change nothing; count the keys that would be looked at.")
@url_option
@yes_option
@invocation
def command(call: Invocation, services: tuple[str, ...], url: str | None, *, dry_run: bool, yes: bool) -> None:
    """Call the clean-up scripts of Redis services for each of their keys.

    \b
    Such a script names its keys under EACH in its header. They are found by SCAN on every
    primary, in bounded batches, with as long a pause after each as it took. What a script
    refuses is named, the rest is cleaned.
    \b
    Example:  dbkit cleanup cart
    \b
    Exit codes: 0 done · 1 a script refused a key · 2 the service is on PostgreSQL · 3 a target can't be reached
    """
    for service in services:
        if call.project.service(service).engine != "redis":
            raise ConfigurationError(f"{service!r} lives on PostgreSQL", hint="its functions cleanup_… do it")
    if not dry_run:
        call.confirm(call.targets(services, url), "clean up", yes=yes)
    from dbkit.maintain.cleanup import clean, count
    from dbkit.redis.connect import Store

    done = []
    chosen = [target for target in call.targets(services, url) if target.engine == "redis"]
    with call.hold(chosen) as reached:
        for place in reached:
            assert isinstance(place, Store)  # noqa: S101 chosen above
            with place.connect() as client, call.output.progress(f"{place.name}: looking for keys") as progress:
                told = lambda text, name=place.name: progress.update(f"{name}: {text}")  # noqa: E731
                found = count(place, client) if dry_run else clean(place, client, told)
            for one in found:
                sums = ", ".join(f"{number} {name}" for name, number in one.sums.items())
                note = f"for {one.keys} keys" + (f": {sums}" if sums else "")
                call.output.event(place.name, "pending" if dry_run else "cleaned", one.script, note=note)
                for refusal in one.refused.said:
                    call.output.event(place.name, "refused", one.script, note=refusal)
                if one.refused.calls > len(one.refused.said):
                    call.output.line(f"{place.name}: {one.refused.calls - len(one.refused.said)} calls more were refused")
                done.append({"service": place.name, "script": one.script, "keys": one.keys, **one.sums, "refused": one.refused.said})
    if call.output.as_json:
        call.output.document({"cleaned" if not dry_run else "pending": done})
    if any(entry["refused"] for entry in done):
        raise click.exceptions.Exit(1)
