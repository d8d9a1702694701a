"""dbkit seed"""

from __future__ import annotations

import click

from dbkit.commands import Invocation, invocation, services_argument, url_option
from dbkit.errors import ConfigurationError


@click.command("seed")
@services_argument
@url_option
@invocation
def command(call: Invocation, services: tuple[str, ...], url: str | None) -> None:
    """Fill services with their example data, from seeds/SERVICE/.

    Seeds are idempotent, so a second run changes nothing. Refused where the environment is
    protected.

    \b
    Example:  dbkit seed product
    \b
    Exit codes: 0 done · 1 a statement failed, that file was rolled back · 2 the environment is protected
    """
    import time

    from dbkit.maintain.seed import seed
    from dbkit.postgres.connect import Database

    for target in call.targets(services, url):
        if target.settings.protected:
            raise ConfigurationError(f"environment {target.environment!r} is protected: it takes no example data")
    done = []
    with call.reach(services, url) as reached:
        for place in reached:
            if not isinstance(place, Database):
                continue
            started = time.monotonic()
            with call.output.progress(f"{place.name}: seeding"):
                files = seed(place)
            done.append({"service": place.name, "files": files})
            what = f"{len(files)} file{'' if len(files) == 1 else 's'}" if files else "it has no seeds"
            call.output.event(place.name, "seeded", what, time.monotonic() - started)
    if call.output.as_json:
        call.output.document({"services": done})
