"""`python cli.py …` from a checkout: the same program as the installed `dbkit`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from dbkit.cli import main

if __name__ == "__main__":
    main()
