"""What may stand in a system file: a system comes of it, or its problems, and never a traceback."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstay.base.errors import SystemFileError
from mainstay.system.load import load
from mainstay.system.publish import json_schema
from mainstay.system.schema import System

LARGEST = 2048

_EXAMPLES = Path(__file__).parents[1] / "examples"
_MUCH = b"""\
name: shop
zones: [a, b]
gateway: {admin: 127.0.0.1:9, request: {head: 16KiB, headers: 50}}
x: &x {every: 1s, timeout: 500ms, path: /healthz, down_after: 2, up_after: 1}
services:
  web:
    command: [node, "${A:-server.js}"]
    instances: 4
    listen: http://127.0.0.1:8080
    health: {<<: *x}
    timeouts: {connect: 500ms, attempt: 2s, request: 10s}
    retry: {attempts: 3, budget: 20%}
    env: {A: 1, B: "2", C: ${A}}
    needs: [db]
  db: {addresses: ["http://127.0.0.1:1"], listen: http://127.0.0.1:8081}
"""


def _keys(schema: object) -> set[str]:
    if isinstance(schema, dict):
        names = schema.get("properties", {})
        return {str(name) for name in names} | {key for value in schema.values() for key in _keys(value)}
    return {key for value in schema for key in _keys(value)} if isinstance(schema, list) else set()


TOKENS = (
    *(f"{key}: ".encode() for key in sorted(_keys(json_schema()))),
    *(b": ", b"\n", b"\n  ", b"- ", b"[", b"]", b"{", b"}", b", ", b"#", b"&a ", b"*a", b"<<: ", b"!!str ", b"!t ", b"|\n", b">-\n"),
    *(b"---\n", b"...\n", b"%YAML 1.1\n", b"? ", b"'", b'"', b"\t", b"~", b"on", b"off", b"null", b".inf", b".nan", b"0x1", b"1e9"),
    *(b"${A}", b"${A:-", b"${", b"$$", b"5s", b"-5s", b"64KiB", b"99.9%", b"http://127.0.0.1:1", b"https://[::1]:1", b"\\u0000", b"\xef\xbb\xbf"),
)  # fmt: skip


def seeds() -> list[bytes]:
    """Give files that are good."""
    return [_MUCH, *(file.read_bytes() for file in sorted(_EXAMPLES.rglob("mainstay.yaml")))]


@contextmanager
def prepared() -> Iterator[Callable[[bytes], None]]:
    """Make a folder, and give the function that judges one input."""
    folder = tempfile.TemporaryDirectory(prefix="mainstay-fuzz-")
    file = Path(folder.name) / "mainstay.yaml"

    def judge(data: bytes) -> None:
        file.write_bytes(data)
        try:
            assert isinstance(load(file, {"A": "x"}), System)
        except SystemFileError as error:
            assert error.problems
            assert all(problem.message for problem in error.problems)
            # Whoever prints it can.
            "\n".join(error.lines()).encode()

    with folder:
        yield judge
