"""Coverage as lcov has it, which genhtml and editors read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbkit.prove.coverage import Coverage, Point


def lcov(coverage: Coverage) -> str:
    """Return the records of the files.

    A line counts as often as the statement on it that ran least, added up over the functions that a macro makes of it.
    """
    by_file = groupby(sorted(coverage.items()), key=lambda item: item[0].path)
    return "".join(f"{line}\n" for path, group in by_file for line in _record(path, list(group)))


def _record(path: str, counts: list[tuple[Point, int]]) -> Iterator[str]:
    functions = [(point, count) for point, count in counts if not point.statement and not point.branch]
    yield f"SF:{path}"
    yield from (f"FN:{point.begins},{point.function}" for point, _ in functions)
    yield from (f"FNDA:{count},{point.function}" for point, count in functions)
    yield f"FNF:{len(functions)}"
    yield f"FNH:{sum(count > 0 for _, count in functions)}"
    branches = [(point, count) for point, count in counts if point.branch]
    for (line, statement), group in groupby(branches, key=lambda item: (item[0].line, item[0].statement)):
        yield from (f"BRDA:{line},{statement},{number},{count}" for number, (_, count) in enumerate(group))
    yield f"BRF:{len(branches)}"
    yield f"BRH:{sum(count > 0 for _, count in branches)}"
    least: dict[tuple[str, int], int] = {}
    for point, count in counts:
        if point.statement and not point.branch:
            place = (point.function, point.line)
            least[place] = min(count, least.get(place, count))
    lines: Counter[int] = Counter()
    for (_, line), count in least.items():
        lines[line] += count
    yield from (f"DA:{line},{count}" for line, count in sorted(lines.items()))
    yield f"LF:{len(lines)}"
    yield f"LH:{sum(count > 0 for count in lines.values())}"
    yield "end_of_record"
