"""What a service takes over from the one that it extends (Compose specification, "Merge")."""

from collections.abc import Mapping

_REPLACED = frozenset({"command", "entrypoint", "test"})
"""Lists that are one value."""
_TABLES = frozenset({"environment", "labels", "depends_on", "extra_hosts", "sysctls", "args", "networks"})
"""What may be written as a list as well, and is a mapping."""


def merged(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Give both as one: what `over` says wins, mappings are joined, lists are put one after another."""
    result = dict(base)
    for key, value in over.items():
        result[key] = _joined(key, base[key], value) if key in base else value
    return result


def table(key: str, value: object) -> object:
    """Give a list of names, or of `NAME=VALUE`, as the mapping that it means; anything else as it is."""
    if key not in _TABLES or not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return value
    if key == "depends_on":
        return {name: {} for name in value}
    pairs = (each.partition("=") for each in value)
    return {name: text if sign else None for name, sign, text in pairs}


def _joined(key: str, below: object, above: object) -> object:
    if key in _REPLACED:
        return above
    below, above = table(key, below), table(key, above)
    if isinstance(below, dict) and isinstance(above, dict):
        return merged(below, above)
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *(each for each in above if each not in below)]
    return above
