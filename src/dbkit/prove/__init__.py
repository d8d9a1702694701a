"""Proving a project on a throw-away server: its SQL tests, every migration up, down, up, and baselines."""

from dbkit.prove.rollbacks import prove_rollbacks
from dbkit.prove.sql_tests import SqlTest, TestResult, load_sql_tests, run_sql_test
from dbkit.prove.squash import Baseline, squash, write_baseline

__all__ = [
    "Baseline",
    "SqlTest",
    "TestResult",
    "load_sql_tests",
    "prove_rollbacks",
    "run_sql_test",
    "squash",
    "write_baseline",
]
