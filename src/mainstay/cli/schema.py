"""`mainstay schema`: the JSON Schema of the system file, for editors."""

from mainstay.cli import show
from mainstay.system.publish import json_schema


def schema() -> None:
    """Print the JSON Schema of the system file, for editors and other programs."""
    show.data(dict(json_schema()))
