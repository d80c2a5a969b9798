"""How the routing table crosses the socket between the processes.

::

    {"table": {...}, "columns": ["service", ...], "rows": 300}     all but the rows, and how many come
    [["web", "web-1", ...], ...]                                   the rows, some hundred in a line

A table is taken in line by line, so that no worker stands still for one of ten thousand rows, and is used when
all of it is there.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from pydantic import TypeAdapter

from mainstay.base.probe import Talk
from mainstay.gateway.table import Redirect, Row, Rule, Table

_TABLE = TypeAdapter(Table)
_LISTS: dict[str, TypeAdapter[Any]] = {
    "rules": TypeAdapter(list[Rule]),
    "redirects": TypeAdapter(list[Redirect]),
}
"""What of a door may be long, and then has lines of its own."""

_COLUMNS = [column.name for column in fields(Row)]
_LINE = 200
"""Rows, or rules, in a line: a worker reads one in about a millisecond."""


def dump(table: Table) -> bytes:
    """Write a table as lines of JSON, the last of them ended too."""
    return b"".join(_lines(table))


def _lines(table: Table) -> Iterator[bytes]:
    rows = table.rows
    rest: dict[str, Any] = {"columns": _COLUMNS, "rows": len(rows)}
    parts = [
        (place, kind, start)
        for place, door in table.doors.items()
        for kind in _LISTS
        if (size := len(getattr(door, kind))) > _LINE
        for start in range(0, size, _LINE)
    ]
    doors = table.doors
    if parts:
        rest["parts"] = [[place, kind] for place, kind, _ in parts]
        doors = {
            place: replace(
                door,
                rules=door.rules if len(door.rules) <= _LINE else [],
                redirects=door.redirects if len(door.redirects) <= _LINE else [],
            )
            for place, door in doors.items()
        }
    head = _TABLE.dump_json(replace(table, rows=[], doors=doors))
    yield b'{"table":%b,%b\n' % (head, json.dumps(rest).encode()[1:])
    for start in range(0, len(rows), _LINE):
        part = [[getattr(row, name) for name in _COLUMNS] for row in rows[start : start + _LINE]]
        yield json.dumps(part).encode() + b"\n"
    for place, kind, start in parts:
        yield _LISTS[kind].dump_json(getattr(table.doors[place], kind)[start : start + _LINE]) + b"\n"


class Assembly:
    """Puts together the lines of one table after another."""

    def __init__(self) -> None:
        self._table: Table | None = None
        self._columns: list[str] = []
        self._left = 0
        self._parts: deque[tuple[str, str]] = deque()

    def take(self, line: bytes) -> Table | None:
        """Take one line; the last line of a table gives it.

        Raises:
            ValueError: it is no line of a table.
        """
        if self._table is None:
            return self._begin(json.loads(line))
        if self._left > 0:
            rows = self._rows(json.loads(line))
            self._table.rows.extend(rows)
            self._left -= len(rows)
        else:
            self._part(*self._parts.popleft(), line)
        return self._whole()

    def _begin(self, told: dict[str, Any]) -> Table | None:
        try:
            self._columns, self._left = list(told["columns"]), int(told["rows"])
            self._parts = deque((place, kind) for place, kind in told.get("parts", ()))
            self._table = _TABLE.validate_python(told["table"])
        except (LookupError, TypeError) as error:
            raise ValueError(f"no beginning of a table: {error}") from error
        return self._whole()

    def _rows(self, told: list[list[Any]]) -> list[Row]:
        try:
            if self._columns == _COLUMNS:
                rows = [Row(*values) for values in told]
            else:
                # Of another version, which knows more of a row than we do, or less.
                ours = [(at, name) for at, name in enumerate(self._columns) if name in _COLUMNS]
                rows = [Row(**{name: values[at] for at, name in ours}) for values in told]
            for row in rows:
                if row.talk is not None:
                    row.talk = Talk(*row.talk)  # JSON has lists only
        except (LookupError, TypeError) as error:
            raise ValueError(f"no rows of a table: {error}") from error
        return rows

    def _part(self, place: str, kind: str, line: bytes) -> None:
        assert self._table is not None
        try:
            part = _LISTS[kind].validate_json(line)
            getattr(self._table.doors[place], kind).extend(part)
        except LookupError as error:
            raise ValueError(f"no part of a door: {error}") from error

    def _whole(self) -> Table | None:
        if self._left > 0 or self._parts:
            return None
        table, self._table = self._table, None
        return table


def load(data: bytes) -> Table:
    """Read a table that `dump` wrote.

    Raises:
        ValueError: it is none, or not whole.
    """
    assembly = Assembly()
    for line in data.splitlines():
        table = assembly.take(line)
    if table is None:
        raise ValueError("the table is not whole")
    return table
