"""What pictures are made of: SVG, written by hand, since bars and dots need no library."""

from collections.abc import Iterable
from html import escape

COLOURS = {
    "mainstay": "#0b6e4f",
    "compiled": "#4caf50",
    "addresses": "#4caf50",
    "nginx": "#6b7a8f",
    "haproxy": "#3b6fb6",
    "envoy": "#b6449a",
    "traefik": "#d98e04",
    "caddy": "#7a5c99",
    "origin": "#aaaaaa",
}
"""By who was measured."""


def picture(width: float, height: float, parts: Iterable[str]) -> str:
    """Put parts on a white ground."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def text(x: float, y: float, said: str, *, bold: bool = False, middle: bool = False) -> str:
    """Write a line; `middle`: `x` is where its middle is."""
    look = (' font-weight="bold"' if bold else "") + (' text-anchor="middle"' if middle else "")
    return f'<text x="{x:.1f}" y="{y}"{look}>{escape(said)}</text>'
