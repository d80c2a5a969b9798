"""What a scalar of the system file means: interpolation of the environment, then YAML 1.2's core schema."""

import re
from collections.abc import Mapping

OF_THE_INSTANCE = frozenset({"PORT", "MAINSTAY_INSTANCE", "MAINSTAY_ZONE", "MAINSTAY_SERVICE"})
"""Names whose values only an instance has; in its command and environment they are left in place."""
URL = "MAINSTAY_URL_"
"""What the names begin with under which an instance is told where it reaches what its service needs."""

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|(\{[^}]*\}?))")

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# Bounded: the conversion of a very long number takes time, and Python refuses the longest.
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL = re.compile(r"0o[0-7]{1,18}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def is_of_the_instance(name: str) -> bool:
    """Tell whether the value of a variable is only an instance's."""
    return name in OF_THE_INSTANCE or name.startswith(URL)


def url_name(slug: str) -> str:
    """Give the variable that tells where a service or listener is reached: `MAINSTAY_URL_MAIN_API` of `main-api`."""
    return URL + slug.upper().replace("-", "_")


def whole_characters(text: str) -> str | None:
    """Join the two halves that JSON writes a character beyond U+FFFF in; None when one lacks the other."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


def interpolate(text: str, environ: Mapping[str, str], *, for_instance: bool) -> tuple[str, list[str]]:
    """Put the environment's values in place of `${NAME}` and `${NAME:-default}`, and `$` of `$$`.

    Args:
        text: What is written. A `$` before anything else stands for itself.
        environ: The environment; an empty value counts as none where there is a default, as in a shell.
        for_instance: Leave what only the instance knows in place.

    Returns:
        The text, and what is wrong with it.
    """
    problems: list[str] = []

    def value(match: re.Match[str]) -> str:
        dollar, name, default, strange = match.groups()
        if dollar:
            return "$"
        if strange:
            problems.append(f"found '${strange}', allowed: ${{NAME}}, ${{NAME:-default}}, and $$ for a $")
        elif for_instance and is_of_the_instance(name):
            return match[0]
        elif default is not None:
            return environ.get(name) or default
        elif name not in environ:
            problems.append(
                f"the environment has no {name}: set it, or write ${{{name}:-default}}, "
                f"or $${{{name}}} to leave it to the program"
            )
        return environ.get(name, "") if name else ""

    return _REFERENCE.sub(value, text), problems


def typed(text: str) -> str | int | float | bool | None:
    """Give what a scalar without quotes means (YAML 1.2.2 §10.3.2): `off`, `no` and `1:30` are words."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL.fullmatch(text) else text
