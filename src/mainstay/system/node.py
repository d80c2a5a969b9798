"""A YAML text as a tree that knows its lines and columns.

Duplicate keys, tags, several documents and aliases to what is not there are problems here; merge keys and
what the scalars mean are `document`'s business. Nodes that an alias names are shared, not copied.
"""

import re
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from mainstay.base.errors import Problem
from mainstay.system.place import Path, Place, written
from mainstay.system.scalar import whole_characters

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Ends a line (YAML 1.1 §5.4; in 1.2 the last three no longer do, but the parser counts them)."""
UNREADABLE = (
    YAMLError,
    ArithmeticError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)
"""What the parser throws at text that is no YAML. It trips over an escape beyond Unicode, and perhaps over more: a text must never be
a traceback. (What is nested too deep is a `RecursionError` besides, where nobody counts levels.)"""
DEEPEST = 32
"""Levels that a file may nest; a system file needs five."""


@dataclass(slots=True)
class Scalar:
    """A single value, as it is written."""

    place: Place
    text: str
    plain: bool
    """Whether it stands without quotes, so that `1` is a number and `off` a word."""


@dataclass(slots=True)
class Sequence:
    """A list."""

    place: Place
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Keys and values; merge keys are still among them."""

    place: Place
    pairs: list[tuple[Scalar, "Node"]] = field(default_factory=list)


Node = Scalar | Sequence | Mapping


class _Unusable(Exception):
    """Nothing more can be made of the text."""

    def __init__(self, place: Place | None, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(*(place or Place(0, 0)), "", message)


def compose(text: str) -> tuple[Node | None, list[Problem]]:
    """Make a tree of a YAML text; None when nothing can be made of it."""
    composer = _Composer(text)
    try:
        return composer.document(), composer.problems
    except _Unusable as unusable:
        return None, [*composer.problems, unusable.problem]
    except ReaderError as error:
        return None, [_unreadable(text, error)]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(0, 0)
        said = " ".join(str(part) for part in (error.problem, error.context) if part)
        return None, [
            *composer.problems,
            Problem(*place, "", f"is not YAML: {said}{_hint(text, place, said)}"),
        ]
    except UNREADABLE as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        return None, [*composer.problems, Problem(*composer.place, "", f"is not YAML: {said}")]


def _hint(text: str, place: Place, said: str) -> str:
    """Give what was probably meant, where YAML trips over what people write without a thought."""
    if said.startswith("found character '\\t'"):
        return "; indent with spaces"
    if said.startswith("found character"):
        return "; a text that begins with it must be in quotes"
    before = "".join(_BREAK.split(text)[place.line - 1 : place.line])[: place.column - 1]
    a_second = said.startswith("mapping values are not allowed") and ": " in before
    if a_second or "but got ':'" in said:
        return "; a text that has a colon and a space in it must be in quotes, as in 'a: b'"
    return ""


def _unreadable(text: str, error: ReaderError) -> Problem:
    before = text[: error.position]
    place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
    return Problem(*place, "", f"is not YAML: the character U+{ord(text[error.position]):04X} is not allowed")


class _Composer:
    """Reads the parser's events once, from the first to the last."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.place = Place(1, 1)
        self._anchors: dict[str, Node | None] = {}
        # Pure Python and `safe`: no objects are ever made from tags.
        self._events = iter(YAML(typ="safe", pure=True).parse(text))

    def document(self) -> Node | None:
        """Give the one document's root; None when the text is empty."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self._stand_at(event)
                    raise _Unusable(self.place, "found a second document, allowed is one")
                root = self._node(self._next(), ())
        if root is None:
            raise _Unusable(None, "is empty: it must have at least a service")
        return root

    def _next(self) -> Event:
        event: Event = next(self._events)
        self._stand_at(event)
        return event

    def _stand_at(self, event: Event) -> None:
        self.place = Place(event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Event, path: Path) -> Node:
        place = self.place
        assert isinstance(event, NodeEvent)
        if isinstance(event, AliasEvent):
            return self._named(event.anchor, place)
        if len(path) > DEEPEST:
            raise _Unusable(place, f"is nested more than {DEEPEST} levels deep")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node = self._body(event, place, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _body(self, event: NodeEvent, place: Place, path: Path) -> Node:
        assert isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent))
        if event.tag is not None:
            self._wrong(place, path, f"found the tag {event.tag}, allowed are none")
        if isinstance(event, ScalarEvent):
            return Scalar(place, event.value, plain=event.style is None)
        if isinstance(event, MappingStartEvent):
            return self._mapping(Mapping(place), path)
        sequence = Sequence(place)
        while not isinstance(each := self._next(), CollectionEndEvent):
            sequence.items.append(self._node(each, (*path, len(sequence.items))))
        return sequence

    def _mapping(self, mapping: Mapping, path: Path) -> Mapping:
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), CollectionEndEvent):
            place = self.place
            key = self._node(event, (*path, "?"))
            inner = (*path, key.text if isinstance(key, Scalar) else "?")
            value = self._node(self._next(), inner)
            if not isinstance(key, Scalar):
                self._wrong(place, path, "a key must be a single word, not a list or a mapping")
            elif (name := whole_characters(key.text)) is None:
                self._wrong(place, path, "a key has half of a character in it, which is no text")
            elif name in lines:
                self._wrong(place, inner, f"is already on line {lines[name]}, allowed once")
            else:
                lines[name] = place.line
                # An alias used as a key stands where it is used.
                mapping.pairs.append((Scalar(place, name, key.plain), value))
        return mapping

    def _named(self, anchor: str, place: Place) -> Node:
        if anchor not in self._anchors:
            raise _Unusable(
                place,
                f"*{anchor} refers to nothing: there is no &{anchor} before it; a text that begins with * must be in quotes",
            )
        node = self._anchors[anchor]
        if node is None:
            raise _Unusable(place, f"*{anchor} contains itself")
        return node

    def _wrong(self, place: Place, path: Path, message: str) -> None:
        self.problems.append(Problem(*place, written(path), message))
