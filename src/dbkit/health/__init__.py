"""Health: every check judged against its thresholds, on PostgreSQL and Redis."""

from dbkit.health.judge import Finding, Status, worst_first
from dbkit.health.postgres import check_postgres
from dbkit.health.redis import check_redis

__all__ = ["Finding", "Status", "check_postgres", "check_redis", "worst_first"]
