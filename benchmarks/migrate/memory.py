"""Memory at its peak, with few migrations and with many"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import measure
import peers
from small_files import apply, migrations


def main() -> None:
    """Apply both numbers of files, and print what each process took."""
    options = measure.options(__doc__, rounds=1, few=100, many=10_000)
    with tempfile.TemporaryDirectory() as folder, measure.server() as server:
        programs = {}
        for files in (options.few, options.many):
            root = Path(folder) / str(files)
            peers.write_projects(root, migrations(files))
            programs |= {
                f"{p.name} {files}": partial(apply, root, server, p.apply, f"{p.name}_{files}")
                for p in peers.programs()
                if p.name in {"bare", "dbkit"}
            }
        samples = measure.alternate(options.rounds, programs)
    for name in samples:
        print(f"{name:<36}  {measure.median(samples, name, 'peak'):6.0f} MB")
    print()
    ratio = measure.ratio(samples, f"dbkit {options.many}", f"dbkit {options.few}", "peak")
    measure.limit(f"dbkit, peak memory, {options.many} migrations to {options.few}", ratio, 1.5)


if __name__ == "__main__":
    main()
