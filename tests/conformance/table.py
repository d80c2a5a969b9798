"""The cases: data files, read once; a case with variants is as many cases."""

import copy
from pathlib import Path

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent / "cases"
GROUPS = ("framing", "target-and-host", "forwarding", "responses", "connection")
_KEYS = {
    "id", "rfc", "rule", "why", "send", "with", "put", "end", "origin", "up", "limits",
    "answers", "close", "reached", "alone", "next", "hold", "trusted", "routes",
}  # fmt: skip


def wire_bytes(text):
    """Read bytes as the files write them: one character is one byte."""
    return text.encode("latin-1")


def cases():
    """Give all cases by their ids."""
    found = {}
    for group in GROUPS:
        for key, one in load(group).items():
            assert set(one) <= _KEYS, set(one) - _KEYS
            assert {"rfc", "rule", "send", "answers", "close", "reached"} <= set(one), key
            found[key] = one
    return found


def load(group):
    """Give the cases of one file by their ids."""
    found = {}
    for case in YAML(typ="safe", pure=True).load((FOLDER / f"{group}.yaml").read_text()):
        for one in _variants(case):
            one["id"] = f"{group}/{one['id']}"
            assert one["id"] not in found, one["id"]
            found[one["id"]] = one
    return found


def _variants(case):
    variants = case.pop("with", None)
    if variants is None:
        yield case
        return
    for name, variant in variants.items():
        one = copy.deepcopy(case)
        if not isinstance(variant, dict):
            variant = {"put": variant}  # noqa: PLW2901 - the short form
        put = variant.get("put", "")
        one |= {key: value for key, value in variant.items() if key != "put"}
        one["id"] = f"{case['id']}/{name}"
        for key in ("send", "origin", "reached", "answers"):
            if key in one and key not in variant:
                one[key] = _filled(one[key], put)
        yield one


def _filled(value, put):
    if isinstance(value, str):
        return value.replace("<>", put)
    if isinstance(value, list):
        return [_filled(part, put) for part in value]
    if isinstance(value, dict):
        return {key: _filled(part, put) for key, part in value.items()}
    return value


def rules(case):
    """Give the numbers of the rules that a case is for."""
    rule = case["rule"]
    return rule if isinstance(rule, list) else [rule]
