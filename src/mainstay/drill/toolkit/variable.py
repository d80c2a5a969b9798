"""What stands in an experiment in place of values: `configuration`, `secrets`, and `${name}`."""

import re
from collections.abc import Mapping
from typing import Any

from mainstay.base.errors import SpecError

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\$")
_TYPES = {"str": str, "int": int, "float": float}
Values = Mapping[str, Any]


def configuration(told: Values, environ: Mapping[str, str], over: Values) -> dict[str, Any]:
    """Give the values of a `configuration`.

    Args:
        told: As the experiment has it.
        environ: What `type: env` is taken from.
        over: What somebody has said in its place; also of names that the experiment does not have.

    Raises:
        SpecError: a variable of the environment is not there, or is of another type.
    """
    return {
        name: _value("configuration", name, value, environ)
        for name, value in told.items()
        if name not in over
    } | dict(over)


def secrets(told: Values, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Give the values of `secrets`, by group.

    Raises:
        SpecError: a variable of the environment is not there.
    """
    found: dict[str, dict[str, Any]] = {}
    for group, values in told.items():
        if not isinstance(values, Mapping):
            raise SpecError(f"secrets.{group} must be a mapping of names to values")
        found[group] = {
            name: _value(f"secrets.{group}", name, value, environ) for name, value in values.items()
        }
    return found


def filled(value: Any, values: Values) -> Any:  # noqa: ANN401 - whatever JSON has
    """Put values in the places of `${name}`, anywhere within; a name that is not known stays as it is.

    What is nothing but `${name}` becomes the value as it is, otherwise it becomes text. `$$` is one `$`.
    """
    if isinstance(value, str):
        whole = _NAME.fullmatch(value)
        if whole is not None and whole[1] in values:
            return values[whole[1]]
        return _NAME.sub(lambda found: _written(found, values), value)
    if isinstance(value, Mapping):
        return {name: filled(one, values) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, values) for one in value]
    return value


def _written(found: re.Match[str], values: Values) -> str:
    if found[0] == "$$":
        return "$"
    return str(values.get(found[1], found[0]))


def _value(where: str, name: str, told: Any, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever JSON has
    if not isinstance(told, Mapping) or "type" not in told:
        return told
    kind = told["type"]
    if kind != "env":
        if kind in ("probe", "action", "vault"):
            raise SpecError(f"{where}.{name} is taken from a {kind}; supported: plain values and type env")
        return told
    key = told.get("key")
    if not isinstance(key, str):
        raise SpecError(f"{where}.{name}.key must name a variable of the environment")
    if key not in environ and "default" not in told:
        raise SpecError(f"{where}.{name}: the environment has no {key}, and there is no default")
    return _typed(f"{where}.{name}", environ.get(key, told.get("default")), told.get("env_var_type"))


def _typed(where: str, value: Any, wanted: object) -> Any:  # noqa: ANN401 - whatever JSON has
    if wanted is None or value is None:
        return value
    if wanted == "bool":
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes", "on")
    if wanted not in _TYPES:
        raise SpecError(f"{where}.env_var_type: found '{wanted}', allowed: {', '.join(_TYPES)}, bool")
    try:
        return _TYPES[str(wanted)](str(value))
    except ValueError:
        raise SpecError(f"{where} is not of type {wanted}") from None
