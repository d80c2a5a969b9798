"""Where something stands: in the text by line and column, in the document by its path of keys."""

from typing import NamedTuple

Path = tuple[str | int, ...]
"""Where in the document: `("services", "web", "needs", 0)`."""


Finding = tuple[Path, str]
"""Where, and what is wrong."""


class Place(NamedTuple):
    """Where in the text, counted from 1; 0 means the file as a whole."""

    line: int
    column: int


def written(path: Path) -> str:
    """Write a path as a person would: `services.web.needs[0]`."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{_step(step)}" for step in path]
    return "".join(parts).removeprefix(".")


def _step(key: str) -> str:
    plain = key and all(letter.isalnum() or letter in "-_<" for letter in key)
    return key if plain else repr(key)
