"""Proving a project on a throw-away server: its SQL tests, and every migration up, down, up."""

from dbkit.prove.rollbacks import prove_rollbacks
from dbkit.prove.sql_tests import SqlTest, TestResult, load_sql_tests, run_sql_test

__all__ = ["SqlTest", "TestResult", "load_sql_tests", "prove_rollbacks", "run_sql_test"]
