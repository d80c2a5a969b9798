"""`${NAME}` in a Compose file (Compose specification, "Interpolation")."""

import re
from collections.abc import Mapping

_BEGIN = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|(\{))")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?", re.DOTALL)
_DEEPEST = 16


def interpolate(text: str, environ: Mapping[str, str], absent: set[str], depth: int = 0) -> str:
    """Put values in place of `$NAME`, `${NAME}`, and `${NAME:-default}` with its kin; they may be nested.

    Args:
        text: What is written; `$$` is a `$`.
        environ: Where values come from.
        absent: Gets the names that have neither value nor default; they are empty then, as Compose takes them.
        depth: How deep this is inside another.

    Raises:
        ValueError: it is written wrongly.
    """
    parts, here = [], 0
    while match := _BEGIN.search(text, here):
        parts.append(text[here : match.start()])
        here = match.end()
        if match[1]:
            parts.append("$")
        elif match[2]:
            parts.append(_value(match[2], environ, absent))
        else:
            end = _end(text, here)
            parts.append(_inside(text[here:end], environ, absent, depth))
            here = end + 1
    return "".join([*parts, text[here:]])


def _inside(inside: str, environ: Mapping[str, str], absent: set[str], depth: int) -> str:
    match = _INSIDE.fullmatch(inside)
    if match is None or depth == _DEEPEST:
        raise ValueError(
            f"found '${{{inside[:40]}}}', allowed: ${{NAME}}, ${{NAME:-default}}, and $$ for a $"
        )
    name, sign, other = match.groups()
    known = bool(environ.get(name)) if sign and sign[0] == ":" else name in environ
    if sign and sign[-1] == "-":
        return environ[name] if known else interpolate(other, environ, absent, depth + 1)
    if sign and sign[-1] == "+":
        return interpolate(other, environ, absent, depth + 1) if known else ""
    return _value(name, environ, absent)


def _value(name: str, environ: Mapping[str, str], absent: set[str]) -> str:
    if name not in environ:
        absent.add(name)
    return environ.get(name, "")


def _end(text: str, here: int) -> int:
    """Give where the brace that was opened before `here` is closed."""
    open_ones = 1
    for place in range(here, len(text)):
        if text[place] == "{":
            open_ones += 1
        elif text[place] == "}":
            open_ones -= 1
            if not open_ones:
                return place
    raise ValueError(f"found '${{{text[here : here + 40]}', which has no end: write $$ for a $")
