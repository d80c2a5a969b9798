"""Mainstay keeps services standing while their parts fail, and proves it."""

__version__ = "0.1.0"
