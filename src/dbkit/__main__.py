"""`python -m dbkit`."""

from dbkit.cli import main

main()
