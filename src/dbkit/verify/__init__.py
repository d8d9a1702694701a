"""What differs between the live schema and what the files make."""

from dbkit.verify.compare import Difference, compare
from dbkit.verify.drift import READING, Verdict, verify
from dbkit.verify.unknown import Unknown

__all__ = ["READING", "Difference", "Unknown", "Verdict", "compare", "verify"]
