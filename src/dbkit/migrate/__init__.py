"""The migration engine: plan, apply, roll back, status."""

from dbkit.migrate.apply import migrate
from dbkit.migrate.engine import Event
from dbkit.migrate.plan import Plan, PlannedMigration, make_plan
from dbkit.migrate.rollback import plan_rollback, rollback
from dbkit.migrate.status import ServiceStatus, read_status

__all__ = [
    "Event",
    "Plan",
    "PlannedMigration",
    "ServiceStatus",
    "make_plan",
    "migrate",
    "plan_rollback",
    "read_status",
    "rollback",
]
