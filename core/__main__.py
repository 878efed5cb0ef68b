"""The command line: `python -m core --help`. The page starts these very commands."""

import sys

from core.cli import main

if __name__ == "__main__":
    sys.exit(main())
