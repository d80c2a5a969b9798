"""The matrix as a picture: who failed how many requests, and how slow the answers were, fault by fault."""

from collections.abc import Iterator
from math import log10

from benchmarks.picture import COLOURS, picture, text
from benchmarks.survival.bounds import PEAK
from benchmarks.survival.faults import FAULTS
from benchmarks.survival.matrix import Results, doubled, entries, middle, systems
from benchmarks.survival.reading import CLASSES, Entry

_LEFT = 230
_CELL, _ROW = 120, 24
_SCALE = 420
_DECADES, _FLOOR = 3.0, 10.0
"""From 10 ms to 10 s."""
_SHADES = ((0, "#d9efe3"), (5, "#fbf3d0"), (50, "#f8d9a8"), (200, "#f0a68c"))
"""By the number of failed requests from which on they count."""
_WORST = "#dd6b5e"
_DONE = ((0.9, "#d9efe3"), (0.75, "#fbf3d0"), (0.5, "#f8d9a8"))
"""By the share of what can be done under overload."""


def svg(results: Results) -> str:
    """Draw the matrix and the latencies of each set of instances."""
    parts: list[str] = []
    top, width = 30.0, 0.0
    for work in results["cells"]:
        names = systems(results, work)
        rows = [fault for fault in FAULTS if fault in results["cells"][work]]
        width = max(width, _LEFT + _CELL * len(names) + 40 + _SCALE + 20)
        parts += _set(results, work, names, rows, top)
        top += 60 + _ROW * len(rows) + 40
    return picture(width, top, parts)


def _set(results: Results, work: str, names: list[str], rows: list[str], top: float) -> Iterator[str]:
    title = f"Instances that work for {work} ms: failed requests (under overload: good answers a second), and p99 in ms of the good answers"
    yield text(10, top, title, bold=True)
    for number, name in enumerate(names):
        yield text(_LEFT + _CELL * (number + 0.5), top + 26, name, bold=True, middle=True)
    left = _LEFT + _CELL * len(names) + 40
    yield from _axis(left, top + 34, _ROW * len(rows))
    for line, fault in enumerate(rows):
        y = top + 36 + _ROW * line
        yield text(10, y + 16, FAULTS[fault].title)
        for number, name in enumerate(names):
            found = entries(results, work, fault, name)
            yield from _cell(found, _LEFT + _CELL * number, y, overload=FAULTS[fault].overload)
            yield from _dot(found, name, left, y + _ROW / 2)


def _cell(found: list[Entry], x: float, y: float, *, overload: bool) -> Iterator[str]:
    said, shade = "-", "#f4f4f4"
    if found and overload:
        # Most have to fail there: what counts is how much is done, of what can be.
        good = middle(found, "goodput") or 0
        said = f"{good:.0f}/s; {middle(found, 'p99') or 0:.0f}"
        shade = next((colour for share, colour in _DONE if good >= share * PEAK), _WORST)
    elif found:
        failed = sum(middle(found, f"failed.{name}") or 0 for name in CLASSES)
        twice = f", {count} twice" if (count := doubled(found)) else ""
        said = f"{failed:.0f}{twice}; {middle(found, 'p99') or 0:.0f}"
        shade = next((colour for most, colour in _SHADES if failed <= most), _WORST)
    yield f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_ROW - 2}" fill="{shade}"/>'
    yield text(x + _CELL / 2, y + 16, said, middle=True)


def _dot(found: list[Entry], name: str, left: float, y: float) -> Iterator[str]:
    p99 = middle(found, "p99")
    if p99 is not None:
        yield f'<circle cx="{left + _x(p99):.1f}" cy="{y}" r="4" fill="{COLOURS[name.split(maxsplit=1)[0]]}" fill-opacity="0.8"/>'


def _axis(left: float, top: float, height: float) -> Iterator[str]:
    for decade in range(int(_DECADES) + 1):
        value = _FLOOR * 10**decade
        x = left + _x(value)
        yield text(x, top - 6, f"{value:g}", middle=True)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="#ddd"/>'


def _x(value: float) -> float:
    return _SCALE * min(1.0, max(0.0, log10(max(value, _FLOOR) / _FLOOR) / _DECADES))
