"""Repeatables: functions, views, triggers and grants, deployed when their rendering changes."""

from dbkit.routines.decide import Decision, adopt, refuse_conflicts
from dbkit.routines.definitions import Suspect, Touched, record, take_note, touched
from dbkit.routines.deploy import Deploy, RoutinePlan, deployed, plan_routines
from dbkit.routines.obstacles import Obstacles, takes_away
from dbkit.routines.order import deployment_order
from dbkit.routines.prune import prune
from dbkit.routines.revive import Revival
from dbkit.routines.shared import shared
from dbkit.routines.stored import stored_routine

__all__ = [
    "Decision",
    "Deploy",
    "Obstacles",
    "Revival",
    "RoutinePlan",
    "Suspect",
    "Touched",
    "adopt",
    "deployed",
    "deployment_order",
    "plan_routines",
    "prune",
    "record",
    "refuse_conflicts",
    "shared",
    "stored_routine",
    "take_note",
    "takes_away",
    "touched",
]
