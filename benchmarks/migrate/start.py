"""What every command pays before it does anything: `dbkit --help`"""

from __future__ import annotations

import sys

import measure
import peers
from measure import timed


def main() -> None:
    """Start the program, beside its parser and its driver alone."""
    options = measure.options(__doc__, rounds=15)
    samples = measure.alternate(
        options.rounds,
        {
            "import click": lambda _: timed([sys.executable, "-c", "import click"]),
            "dbkit --help": lambda _: timed([peers.script("dbkit"), "--help"]),
            "dbkit migrate --help": lambda _: timed([peers.script("dbkit"), "migrate", "--help"]),
            "import psycopg": lambda _: timed([sys.executable, "-c", "import psycopg"]),
        },
    )
    measure.table("start", samples, "import click")
    measure.limit("dbkit --help, CPU, to importing click", measure.ratio(samples, "dbkit --help", "import click", "cpu"), 2)


if __name__ == "__main__":
    main()
