"""`python -m mainstay.cli.rehearsal FILE`: whether this program can be loaded and would run the system.

A supervisor asks the installed program this before it becomes it. The version is written as JSON.
"""

import json
import sys
from pathlib import Path

import mainstay.gateway.worker
from mainstay import __version__
from mainstay.base.errors import MainstayError
from mainstay.cli import app
from mainstay.cli.serve import serve
from mainstay.cli.up import up
from mainstay.control.extra import refuse_without
from mainstay.system.load import load


def main() -> None:
    """Load all that a supervisor and a worker consist of, and the system file."""
    assert callable(app.main)
    assert callable(up)
    assert callable(serve)
    assert callable(mainstay.gateway.worker.main)
    try:
        refuse_without(load(Path(sys.argv[1])))
    except MainstayError as problem:
        sys.exit(f"mainstay {__version__}: {'; '.join(str(problem).splitlines())}")
    sys.stdout.write(json.dumps({"mainstay": __version__}))


if __name__ == "__main__":
    main()
