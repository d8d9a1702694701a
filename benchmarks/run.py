"""Run every benchmark of this folder and print, or write with --write FILE, one page of what was measured."""

from __future__ import annotations

import argparse
import ast
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "migrate"))

import measure  # noqa: E402
import peers  # noqa: E402

import dbkit  # noqa: E402

INTRODUCTION = """# Benchmarks

Written by `python benchmarks/run.py --write docs/benchmarks.md`; every line is what a process printed.

Each program runs as a whole process, on one throw-away server whose data need not survive a crash, so that no disk hides
what the programs cost themselves. Rounds alternate between the programs; a figure is the median of the rounds, a ratio the
median of the rounds' ratios. CPU is the client's. `bare` is one psycopg connection, a transaction a file, with a ledger row
and a hash; `psql` is given the files and keeps no ledger.

The shop's services run on a server that keeps what it commits, on this machine's disk: what a commit costs there is printed.
"""


def main() -> None:
    """Run the scripts named, or all, each as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", type=Path, help="which to run (default: all)")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    page = [INTRODUCTION, machine()]
    failed = False
    for script in options.scripts or benchmarks():
        print(f"== {script.name}", file=sys.stderr)
        done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False)
        failed |= done.returncode != 0
        page.append(f"## {title(script)}\n\n```text\n{done.stdout.strip() or 'it failed'}\n```\n")
    if options.write:
        options.write.write_text("\n".join(page))
    else:
        print("\n".join(page))
    sys.exit(failed)


def benchmarks() -> list[Path]:
    """Return the scripts: what can be run, this one left out."""
    return sorted(path for path in HERE.glob("*/*.py") if '__name__ == "__main__"' in path.read_text())


def title(script: Path) -> str:
    """Return the first line of the script's docstring."""
    return (ast.get_docstring(ast.parse(script.read_text())) or script.stem).splitlines()[0].rstrip(".")


def machine() -> str:
    """Say where it ran, when, and with what."""
    cpu = next((line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    with measure.server() as server:
        postgres = subprocess.run([server.binaries.program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    rows = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{cpu or platform.processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load before": f"{os.getloadavg()[0]:.1f} processes",
        "server": postgres.strip(),
        "Python": platform.python_version(),
        "dbkit": dbkit.__version__,
        **peers.versions(),
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"


if __name__ == "__main__":
    main()
