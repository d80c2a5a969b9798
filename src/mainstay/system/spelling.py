"""Plain values spelt as a system file, so that reading it gives the very same values: `document` the other way round.

Mappings stand in blocks, all else on one line as JSON writes it, which is YAML too. Every `$` is doubled: what came
from the environment once is not looked up again, and `${PORT}` stays the instance's own.
"""

import json
import math
from collections.abc import Mapping, Sequence

from mainstay.system.scalar import typed
from mainstay.system.value import SLUG

_STEP = "  "


def spelt(content: Mapping[str, object], indent: str = "") -> str:
    """Write a mapping, each line with its end.

    Args:
        content: Texts, numbers, booleans, and lists and mappings of them.
        indent: What each line begins with.
    """
    lines = []
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            lines.append(f"{indent}{_key(key)}:\n{spelt(value, indent + _STEP)}")
        else:
            lines.append(f"{indent}{_key(key)}: {_inline(value)}\n")
    return "".join(lines)


def _key(key: str) -> str:
    # Keys are not looked up in the environment.
    return key if SLUG.fullmatch(key.replace("_", "-")) and typed(key) == key else json.dumps(key)


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(key)}: {_inline(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, str):
        return json.dumps(value.replace("$", "$$"))
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_inline, value))}]"
    return _number(value)


def _number(value: object) -> str:
    usual = str(value).lower()
    if _same(typed(usual), value):
        return usual
    # With more digits than are read in one go, or none at all.
    if isinstance(value, int):
        return f"{value:#x}"
    assert isinstance(value, float)
    return f"{value:.17e}" if math.isfinite(value) else usual.replace("inf", ".inf").replace("nan", ".nan")


def _same(read: object, value: object) -> bool:
    return type(read) is type(value) and read == value
