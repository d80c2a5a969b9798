"""How this program starts another part of itself."""

import sys


def module(name: str, *words: str) -> list[str]:
    """Write the command that runs a module of this program.

    With `-P` it does not look for modules in the folder that it is started in, which is the user's.
    """
    return [sys.executable, "-P", "-m", name, *words]
