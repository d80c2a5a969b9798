import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.toolkit.variable import configuration, filled, secrets


def test_values_come_from_the_experiment_the_environment_and_the_command_line_which_counts_most():
    told = {
        "host": "shop.example", "port": {"type": "env", "key": "PORT", "env_var_type": "int"},
        "path": {"type": "env", "key": "PATHS", "default": "/"}, "depth": 2,
    }  # fmt: skip

    values = configuration(told, {"PORT": "8080"}, {"depth": "3", "other": "x"})

    assert values == {"host": "shop.example", "port": 8080, "path": "/", "depth": "3", "other": "x"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"type": "env", "key": "NOT_THERE"}, "configuration.x: the environment has no NOT_THERE"),
        ({"type": "env"}, "configuration.x.key must name a variable"),
        ({"type": "env", "key": "WORD", "env_var_type": "int"}, "configuration.x is not of type int"),
        ({"type": "env", "key": "WORD", "env_var_type": "tree"}, "found 'tree', allowed: str, int, float, bool"),
        ({"type": "probe", "name": "p"}, "configuration.x is taken from a probe; supported: plain values and type env"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_told(told, message):
    with pytest.raises(SpecError) as problem:
        configuration({"x": told}, {"WORD": "word"}, {})

    assert message in str(problem.value)


def test_secrets_stand_in_groups():
    assert secrets({"shop": {"token": {"type": "env", "key": "T"}, "id": 1}}, {"T": "t"}) == {
        "shop": {"token": "t", "id": 1}
    }
    with pytest.raises(SpecError, match=r"secrets\.shop\.token is taken from a vault"):
        secrets({"shop": {"token": {"type": "vault", "key": "T"}}}, {})


def test_a_value_alone_keeps_its_type_and_a_name_that_nobody_knows_stays():
    values = {"port": 8080, "host": "shop"}

    assert filled({"a": "${port}", "b": ["http://${host}:${port}/$${x}", "${nobody}", 3]}, values) == {
        "a": 8080,
        "b": ["http://shop:8080/${x}", "${nobody}", 3],
    }
