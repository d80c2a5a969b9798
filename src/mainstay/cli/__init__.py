"""The commands: parse, ask, show, exit. No decision lives here."""

from mainstay.cli.app import main

__all__ = ["main"]
