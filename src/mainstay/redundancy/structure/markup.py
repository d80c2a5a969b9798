"""Reading XML of strangers: elements and attributes, within bounds.

No document type is taken, so that there are no entities: neither those that multiply nor those that name files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers.expat import ExpatError, ParserCreate

from mainstay.base.errors import OtherFileError, Problem

DEEPEST = 200
"""Levels that elements may be nested."""

MOST = 500_000
"""Elements that a text may have."""


@dataclass(slots=True)
class Element:
    """One element, and where it begins."""

    name: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list["Element"] = field(default_factory=list)

    def all(self, *names: str) -> Iterator["Element"]:
        """Give the elements directly in it that have one of these names."""
        return (child for child in self.children if child.name in names)


class Wrong(Exception):
    """What is wrong in a text, and where."""

    def __init__(self, element: Element, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(element.line, element.column, element.name, message)


def read_markup(content: bytes, file: str) -> Element:
    """Give the outermost element of a text.

    Raises:
        OtherFileError: it is no XML, has a document type, or is out of bounds.
    """
    parser = ParserCreate()
    open_now = [Element("", {}, 0, 0)]
    count = 0

    def here(name: str, attributes: dict[str, str]) -> Element:
        return Element(name, attributes, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        element = here(name, attributes)
        if len(open_now) > DEEPEST:
            raise Wrong(element, f"is nested more than {DEEPEST} levels deep")
        if count > MOST:
            raise Wrong(element, f"is one element too many; allowed are {MOST}")
        open_now[-1].children.append(element)
        open_now.append(element)

    def end(_name: str) -> None:
        open_now.pop()

    def doctype(*_told: object) -> None:
        raise Wrong(
            here("DOCTYPE", {}),
            "is not taken: nothing is known of other files, and nothing is to be replaced",
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except ExpatError as error:
        problem = Problem(error.lineno, error.offset + 1, "", f"is no XML: {str(error).split(':')[0]}")
        raise OtherFileError(file, [problem]) from error
    except (ValueError, LookupError) as error:
        raise OtherFileError(file, [Problem(0, 0, "", f"is no XML: {error}")]) from error
    except Wrong as wrong:
        raise OtherFileError(file, [wrong.problem]) from None
    return open_now[0].children[0]
