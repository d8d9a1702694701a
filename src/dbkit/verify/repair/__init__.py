"""The SQL that puts a drifted schema right, one subject a module; each kind of object has a `create` and an `alter`."""

from dbkit.verify.repair.access import inherited
from dbkit.verify.repair.decide import whole
from dbkit.verify.repair.partitions import deviating
from dbkit.verify.repair.plan import Repair, plan_repair
from dbkit.verify.repair.script import script, text
from dbkit.verify.repair.step import Step

__all__ = ["Repair", "Step", "deviating", "inherited", "plan_repair", "script", "text", "whole"]
