import re
import textwrap

import pytest

from mainstay.redundancy.audit.catalogue import OF_SYSTEM, RULES
from mainstay.redundancy.audit.rule import ERROR, SEVERITIES, WARNING, fails
from mainstay.system.inspection import inspect
from mainstay.system.load import load_with_places
from mainstay.system.plan import plan_of

PLAIN = "services:\n  shop: { command: 'true', listen: 'http://127.0.0.1:8088' }\n"
CACHE = "  cache: { command: 'true', listen: 'tcp://127.0.0.1:6379' }\n"


def found(tmp_path, text):
    file = tmp_path / "mainstay.yaml"
    file.write_text(text)
    system, document = load_with_places(file, {})
    return inspect(plan_of(system), document)


def whole(example):
    """Make a system file of an example: a service, or a section of its own."""
    if example.startswith(("gateway:", "drills:")):
        return PLAIN.replace("shop", "web") + example + "\n"
    text = (
        "zones: [a, b]\n" if "addresses: [http://10.0.0.7:8080, " in example or "zone: a" in example else ""
    )
    # Programs of examples are not there.
    service = example.replace("./web", "'true'").replace("./db", "'true'")
    return (
        text + "services:\n" + textwrap.indent(service, "  ") + "\n" + (CACHE if "CACHE" in example else "")
    )


@pytest.mark.parametrize("rule", OF_SYSTEM.values(), ids=OF_SYSTEM)
def test_a_rule_finds_its_own_example_at_its_line(rule, tmp_path):
    text = whole(rule.example)

    one = next(each for each in found(tmp_path, text) if each.rule is rule)

    line = text.splitlines()[one.line - 1]
    keys = re.findall(r"[\w-]+", one.path)
    # The key itself, or where it is not told, the nearest one around it.
    assert any(re.search(rf"\b{key}:", line) for key in keys) or line.lstrip().startswith("- ")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_says_all_that_people_need(rule):
    assert rule.severity in SEVERITIES
    assert rule.why.endswith((".", ")"))
    assert not rule.title.endswith(".")
    assert not rule.fix.endswith(".")


def test_the_plainest_file_has_nothing_to_be_found(tmp_path):
    assert found(tmp_path, PLAIN) == []


def test_the_worst_comes_first_and_then_the_order_of_the_file(tmp_path):
    text = (
        "services:\n"
        "  web: { command: 'true', listen: 'http://127.0.0.1:8080', health: off, retry: { attempts: 1 } }\n"
        "  db: { command: 'true', instances: 1 }\n"
    )

    told = found(tmp_path, text)

    assert [(each.rule.id, each.line) for each in told] == [
        ("single-instance", 3),
        ("health-off", 2),
        ("retry-off", 2),
    ]
    assert told[0].path == "services.db.instances"


def test_what_a_variable_holds_is_never_told(tmp_path):
    text = "services:\n  web: { command: 'true', env: { CACHE: 'redis://:secret@localhost:6379' } }\n" + CACHE

    told = found(tmp_path, text)

    assert [each.message for each in told] == ["CACHE names the address of cache, which is not in needs"]


@pytest.mark.parametrize(
    "env",
    ["127.0.0.1:63790", "10.127.0.0.1:6379", "cache.example:6379", "localhost:16379", "redis://[::1]:6379"],
)
def test_other_addresses_are_not_taken_for_a_service(env, tmp_path):
    text = f"services:\n  web: {{ command: 'true', env: {{ CACHE: '{env}' }} }}\n" + CACHE

    assert found(tmp_path, text) == []


def test_what_is_needed_indirectly_need_not_be_told_twice(tmp_path):
    text = (
        "services:\n"
        "  web: { command: 'true', needs: [api], env: { CACHE: 'localhost:6379' } }\n"
        "  api: { command: 'true', needs: [cache] }\n" + CACHE
    )

    assert found(tmp_path, text) == []


def test_severities_fail_from_the_one_that_is_told(tmp_path):
    warned = found(tmp_path, PLAIN.replace("8088'", "8088', health: off"))

    assert not fails(warned, ERROR)
    assert fails(warned, WARNING)
    assert not fails(warned, "never")
    assert not fails([each._replace(accepted="it is a demonstration") for each in warned], WARNING)
