"""A system file's text as plain values, with the place of each key and value.

Merge keys are resolved, aliases followed, the environment put in. What cannot be read is left out of the
values and remembered as broken, so that nothing is said twice about it.
"""

from collections.abc import Mapping as Environment
from dataclasses import dataclass, field

from mainstay.base.errors import Problem
from mainstay.system.node import DEEPEST, Mapping, Node, Scalar, Sequence, compose
from mainstay.system.place import Path, Place, written
from mainstay.system.scalar import interpolate, typed, whole_characters

MOST = 100_000
"""Values that a file may have with its aliases followed; a thousand services have about half of that."""


@dataclass(slots=True)
class Document:
    """What a file says, and where."""

    content: object = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Give the place of a value, or of its key; of the nearest one around it if there is none."""
        for length in range(len(path), -1, -1):
            here = path[:length]
            # What stands around a missing thing is best named by its key.
            known = self.keys.get(here) if key or length < len(path) else self.values.get(here)
            known = known or self.values.get(here)
            if known and length:
                return known
        return Place(0, 0)


def read_document(text: str, environ: Environment[str, str]) -> Document:
    """Read a YAML text; never raises, whatever the text: what is wrong is in the problems."""
    root, problems = compose(text)
    reader = Reader(environ, problems)
    if root is not None:
        reader.document.content = reader.value(root, ())
    return reader.document


class Reader:
    """Makes values of nodes; another format of YAML files may say otherwise what a scalar means."""

    def __init__(self, environ: Environment[str, str], problems: list[Problem]) -> None:
        self.document = Document(problems=problems)
        self.environ = environ
        self._merged: dict[int, list[tuple[Scalar, Node]]] = {}
        self._left = MOST

    def value(self, node: Node, path: Path) -> object:
        """Give what a node says at this path."""
        self.document.values[path] = node.place
        if not self._may_go_on(node, path, 1):
            return None
        if isinstance(node, Scalar):
            return self.scalar(node, path)
        if isinstance(node, Sequence):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.items)]
        return self._mapping(node, path)

    def _may_go_on(self, node: Node, path: Path, cost: int) -> bool:
        """Keep a file that aliases itself over and over from taking all memory."""
        self._left -= cost
        # The whole document is broken then, which is told once.
        if self._left < 0 and () not in self.document.broken:
            self.wrong(node.place, (), f"has more than {MOST} values with its aliases followed")
        if len(path) > DEEPEST:
            self.wrong(node.place, path, f"is nested more than {DEEPEST} levels deep")
        return self._left >= 0 and len(path) <= DEEPEST

    def _mapping(self, node: Mapping, path: Path) -> dict[str, object]:
        content: dict[str, object] = {}
        for key, value in self._pairs(node, path):
            inner = (*path, key.text)
            self.document.keys[inner] = key.place
            said = self.value(value, inner)
            if inner not in self.document.broken:
                content[key.text] = said
        return content

    def _pairs(self, node: Mapping, path: Path) -> list[tuple[Scalar, Node]]:
        """Give keys and values with merge keys resolved: a mapping's own keys win, then the earlier merged."""
        # Remembered, because mappings that merge one another several times would take exponential time.
        if (known := self._merged.get(id(node))) is not None:
            return known
        pairs = {key.text: (key, value) for key, value in node.pairs if not _merges(key)}
        for key, value in node.pairs:
            if not _merges(key):
                continue
            for source in value.items if isinstance(value, Sequence) else [value]:
                if not isinstance(source, Mapping):
                    self.wrong(
                        source.place, (*path, "<<"), "must be a mapping, or a list of mappings, to merge"
                    )
                elif self._may_go_on(source, path, len(source.pairs)):
                    merged = self._pairs(source, (*path, "<<"))
                    self._left -= len(merged)
                    pairs = {pair[0].text: pair for pair in merged} | pairs
        self._merged[id(node)] = resolved = list(pairs.values())
        return resolved

    def scalar(self, node: Scalar, path: Path) -> object:
        """Give what a single value means."""
        text, problems = interpolate(node.text, self.environ, for_instance=_is_words(path))
        for message in problems:
            self.wrong(node.place, path, message)
        whole = whole_characters(text)
        if whole is None:
            self.wrong(node.place, path, "has half of a character in it, which is no text")
            return None
        text = whole
        meaning = typed(text) if node.plain and (text or not node.text) else text
        if meaning is None and path:
            # Said here, because a schema could not tell it from a mechanism that is off. The parser puts what
            # is not there on the next line.
            place = node.place if node.text else self.document.keys.get(path, node.place)
            self.wrong(place, path, "has no value: write '' if it is to be empty")
        return text if meaning is not None and _is_text(path) else meaning

    def wrong(self, place: Place, path: Path, message: str) -> None:
        """Note what is wrong with a value, which is left out then."""
        self.document.broken.add(path)
        self.document.problems.append(Problem(*place, written(path), message))


_COMMAND = ("services", "*", "command")
_DRILLED = ("drills", "env")


def _is_words(path: Path) -> bool:
    """Tell whether it is part of a command or an environment, where `${PORT}` is for the instance to fill in."""
    of_service = len(path) >= len(_COMMAND) and path[0] == "services" and path[2] in ("command", "env")
    return of_service or path[:2] == _DRILLED


def _is_text(path: Path) -> bool:
    """Tell whether it is one word of them: `VERSION: 1.10` and `[sleep, 0.50]` mean what is written, not the number."""
    return _is_words(path) and len(path) > len(_DRILLED if path[0] == "drills" else _COMMAND)


def _merges(key: Scalar) -> bool:
    return key.plain and key.text == "<<"
