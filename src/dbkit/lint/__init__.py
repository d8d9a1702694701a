"""Findings in SQL and Lua: style, safety, our own rules; at the line where they were written."""

from dbkit.lint.finding import LEVELS, Finding, Level, Lint
from dbkit.lint.mend import Fixed, fix
from dbkit.lint.run import lint
from dbkit.lint.selection import Selection, select

__all__ = ["LEVELS", "Finding", "Fixed", "Level", "Lint", "Selection", "fix", "lint", "select"]
