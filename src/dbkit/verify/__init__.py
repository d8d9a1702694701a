"""What differs between the live schema and what the files make."""

from dbkit.verify.compare import Difference, compare
from dbkit.verify.drift import Verdict, verify

__all__ = ["Difference", "Verdict", "compare", "verify"]
