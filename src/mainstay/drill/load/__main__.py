"""`python -m mainstay.drill.load`: see `mainstay.drill.load.command`."""

import sys

from mainstay.drill.load.command import main

if __name__ == "__main__":
    sys.exit(main())
