"""Fail where the tests ran less than 95% of a function's statements; one in SQL counts as one statement, its call.

What a macro makes several functions of is one to us, of which each line has to run in one of them.

    python ci/coverage.py FILE.lcov …

Every function that is below stands in the table, the worst first, with the lines that no test ran.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

LEAST = 0.95
Function = tuple[str, int, str]  # file, line, name


def read(files: list[str]) -> dict[Function, Counter[int]]:
    """Return how often each line of each function ran, over all files; a function without lines of its own has that of its calls."""
    calls: Counter[Function] = Counter()
    lines: dict[Function, Counter[int]] = {}
    for file in files:
        for record in Path(file).read_text(encoding="utf-8").split("end_of_record\n")[:-1]:
            fields = [line.partition(":")[::2] for line in record.splitlines()]
            path = next(value for key, value in fields if key == "SF")
            begins = [(int(line), name) for key, value in fields if key == "FN" for line, name in [value.split(",")]]
            called = dict(reversed(value.split(",")) for key, value in fields if key == "FNDA")
            for line, name in begins:
                calls.update({(path, line, name): int(called[name])})
                lines.setdefault((path, line, name), Counter())
            for key, value in fields:
                if key == "DA":
                    number, count = map(int, value.split(","))
                    line, name = max(place for place in begins if place[0] <= number)
                    lines[path, line, name].update({number: count})
    return {function: found or Counter({function[1]: calls[function]}) for function, found in lines.items()}


def main() -> int:
    """Print what is below, and how much is not; return the exit code."""
    functions = read(sys.argv[1:])
    rows = []
    for (path, _, name), lines in functions.items():
        missed = sorted(line for line, count in lines.items() if not count)
        share = 1 - len(missed) / len(lines)
        if share < LEAST:
            rows.append((share, f"{share:4.0%}  {len(lines):3}  {name}  {path}:{','.join(map(str, missed))}"))
    print("\n".join(text for _, text in sorted(rows)))
    statements = [count for lines in functions.values() for count in lines.values()]
    ran = sum(count > 0 for count in statements)
    print(f"{ran} of {len(statements)} statements ran; {len(rows)} of {len(functions)} functions are below {LEAST:.0%}")
    return 1 if rows or not functions else 0


if __name__ == "__main__":
    sys.exit(main())
