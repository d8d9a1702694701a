"""Who holds the lock is shown, and can be ended; what it did is undone by the server."""

from __future__ import annotations

from scratch import Scratch, until


def test_the_holder_is_named_with_what_it_runs_and_ended_on_demand(scratch: Scratch) -> None:
    assert "nobody holds the lock" in scratch.call("unlock", "main", code=0).out
    scratch.migration("0001_a", "CREATE TABLE main.a ();\nSELECT pg_sleep(600);")
    child = scratch.start("migrate")
    until(lambda: scratch.column("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"))

    shown = scratch.call("unlock", "main", code=0).out
    assert "run lock" in shown
    assert "execute lock" in shown
    assert "pg_sleep(600)" in shown
    assert child.poll() is None

    assert "ended" in scratch.call("unlock", "main", "--kill", code=0).out

    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "Traceback" not in err
    assert scratch.tables() == set()
    assert "nobody holds the lock" in scratch.call("unlock", "main", code=0).out
