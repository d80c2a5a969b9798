"""A Compose file's text as plain values with their places."""

from collections.abc import Mapping
from pathlib import Path as FilePath

from mainstay.base.errors import OtherFileError, Problem, SystemFileError
from mainstay.system.compose.variable import interpolate
from mainstay.system.document import Document, Reader
from mainstay.system.file import NAMES as SYSTEM_NAMES
from mainstay.system.load import text_of
from mainstay.system.node import Mapping as MappingNode
from mainstay.system.node import Node, Scalar, compose
from mainstay.system.place import Path
from mainstay.system.scalar import typed, whole_characters

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""What Compose files are called when nobody tells; the first that is there."""

# What the other kind of file does not know.
_OF_FILE = frozenset({"version", "volumes", "networks", "configs", "secrets", "include"})
_OF_SERVICE = frozenset({"image", "build", "extends", "depends_on", "deploy", "ports", "healthcheck"})
_OF_SYSTEM = frozenset({"instances", "addresses", "listen", "needs", "health"})


class _Reader(Reader):
    """Here a value may be missing, and all texts have the environment put in."""

    def __init__(self, environ: Mapping[str, str], problems: list[Problem], absent: set[str]) -> None:
        super().__init__(environ, problems)
        self._absent = absent

    def scalar(self, node: Scalar, path: Path) -> object:
        """Give what a single value means."""
        text = whole_characters(node.text)
        if text is None:
            self.wrong(node.place, path, "has half of a character in it, which is no text")
            return None
        try:
            text = interpolate(text, self.environ, self._absent)
        except ValueError as problem:
            self.wrong(node.place, path, str(problem))
            return None
        return typed(text) if node.plain else text


def read(file: FilePath, environ: Mapping[str, str], absent: set[str]) -> Document:
    """Read a Compose file.

    Args:
        file: Where it is.
        environ: What `${NAME}` is taken from.
        absent: Gets the names that have no value.

    Raises:
        OtherFileError: it cannot be read, or is not YAML.
    """
    try:
        text = text_of(file)
    except SystemFileError as problem:
        raise OtherFileError(str(file), problem.problems) from problem
    root, problems = compose(text)
    reader = _Reader(environ, problems, absent)
    if root is not None:
        reader.document.content = reader.value(root, ())
    if problems:
        raise OtherFileError(str(file), sorted(set(problems)))
    return reader.document


def is_compose(file: FilePath) -> bool:
    """Tell whether a file is a Compose file, by its name, or else by what is in it; False when it cannot be read."""
    if file.name in NAMES or file.name in SYSTEM_NAMES:
        return file.name in NAMES
    try:
        root, _ = compose(text_of(file))
    except SystemFileError:
        return False
    top = _under(root)
    services = [_under(each) for each in _under(top.get("services")).values()]
    if any(_OF_SYSTEM & each.keys() for each in services):
        return False
    return bool(_OF_FILE & top.keys()) or any(_OF_SERVICE & each.keys() for each in services)


def _under(node: Node | None) -> dict[str, Node]:
    return {key.text: value for key, value in node.pairs} if isinstance(node, MappingNode) else {}
