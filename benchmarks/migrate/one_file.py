"""One file of two thousand functions"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import measure
import peers
from small_files import apply

FUNCTION = """CREATE FUNCTION add_{n}(p_left integer, p_right integer DEFAULT {n}) RETURNS integer
LANGUAGE plpgsql IMMUTABLE STRICT
AS $function$
DECLARE
    v_sum integer;
BEGIN
    v_sum = p_left + p_right + {n}; -- the {n}th
    IF v_sum > 1000000 THEN
        RAISE EXCEPTION 'the sum % is too large', v_sum USING ERRCODE = '22003';
    END IF;
    RETURN v_sum;
END
$function$;
COMMENT ON FUNCTION add_{n}(integer, integer) IS 'Adds two numbers and {n}.';
"""


def main() -> None:
    """Apply the file with each program."""
    options = measure.options(__doc__, rounds=5, functions=2000)
    with tempfile.TemporaryDirectory() as folder, measure.server() as server:
        root = Path(folder)
        up = "".join(FUNCTION.format(n=number) for number in range(options.functions))
        down = "".join(f"DROP FUNCTION add_{number};\n" for number in range(options.functions))
        peers.write_projects(root, {"00001_functions": (up, down)})
        applied = measure.alternate(options.rounds, {p.name: partial(apply, root, server, p.apply, p.name) for p in peers.programs()})
    measure.table(f"apply {options.functions} functions", applied, "bare")
    measure.limit(f"one file of {options.functions} functions, wall, dbkit to bare", measure.ratio(applied, "dbkit", "bare"), 1.05)


if __name__ == "__main__":
    main()
