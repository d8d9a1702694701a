"""Repeatables: functions, views, triggers and grants, deployed when their rendering changes."""

from dbkit.routines.deploy import RoutinePlan, deploy, deployed_after, plan_routines
from dbkit.routines.obstacles import clear_the_way, takes_away, undeploy
from dbkit.routines.order import deployment_order

__all__ = ["RoutinePlan", "clear_the_way", "deploy", "deployed_after", "deployment_order", "plan_routines", "takes_away", "undeploy"]
