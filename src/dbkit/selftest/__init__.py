"""The fault matrix: things are broken for real on a throw-away server, and what is left is looked at."""

from dbkit.selftest.arena import Arena, arena
from dbkit.selftest.fault import Fault, Verdict, chosen, load_faults
from dbkit.selftest.kills import Kills, kill_cycles
from dbkit.selftest.matrix import run_faults

__all__ = ["Arena", "Fault", "Kills", "Verdict", "arena", "chosen", "kill_cycles", "load_faults", "run_faults"]
