"""Where a system file is, for those who need not read it."""

from pathlib import Path

NAMES = ("mainstay.yaml", "mainstay.yml")
"""What a system file is called when nobody tells; the first that is there."""


def find(folder: Path) -> Path | None:
    """Give the folder's system file, or None."""
    return next((folder / name for name in NAMES if (folder / name).exists()), None)
