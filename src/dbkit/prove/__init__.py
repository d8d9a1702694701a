"""Proving a project on a throw-away server: its SQL tests, and every migration up, down, up."""

from dbkit.prove.round_trip import refuse_differences, refuse_leftovers, snapshot
from dbkit.prove.sql_tests import SqlTest, TestResult, load_sql_tests, run_sql_test

__all__ = ["SqlTest", "TestResult", "load_sql_tests", "refuse_differences", "refuse_leftovers", "run_sql_test", "snapshot"]
