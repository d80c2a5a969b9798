import re

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from mainstay.base.errors import SystemFileError
from mainstay.system.drills import Abort, Accept, DrillLoad, Drills, Expect
from mainstay.system.entrance import Entrance, ServiceRoute
from mainstay.system.load import load
from mainstay.system.mechanism import Breaker, Health, Logs, Outlier, Restart, Retry, Timeouts
from mainstay.system.publish import json_schema, reference
from mainstay.system.request import Ask
from mainstay.system.schema import Gateway, Limits, Service, System
from mainstay.system.witness import AccessLog, Tracing

SECTIONS = [
    System,
    Gateway,
    Limits,
    AccessLog,
    Tracing,
    Entrance,
    Service,
    ServiceRoute,
    Health,
    Timeouts,
    Retry,
    Breaker,
    Outlier,
    Restart,
    Logs,
    Drills,
    DrillLoad,
    Ask,
    Expect,
    Accept,
    Abort,
]

GOOD = """\
name: shop
zones: [a, b]
gateway: { workers: auto, drain: 0, limits: { head: 16KiB }, access_log: { sample: 10%, format: combined } }
services:
  web:
    command: node server.js
    instances: ${COUNT:-3}
    listen: http://0.0.0.0:8080
    env: { A: 1, B: true, C: text }
    env_file: []
    health: off
    timeouts: { connect: 500ms }
    retry: { attempts: 3, budget: 20% }
    breaker: ${BREAKER:-off}
    failover: on
    hold: 0
    needs: [db]
  db:
    command: [postgres, 1]
drills:
  on: live
  load:
    rate: 50
    requests: [GET /, { request: POST /, body: '{id}', writes: true, headers: { X: y } }]
    from: a.har
    journal: GET /written
  expect: [{ fault: kill, target: db, failed: 1%, gap: 2s }]
  accept: [{ fault: kill, target: db, reason: one, until: "2027-01-31" }]
  abort: { failed: 20%, probe: [curl, "http://127.0.0.1"] }
"""

BAD = [
    "services: {}",
    "services: {Web: {command: run}}",
    "services: {web: {}}",
    "services: {web: {command: run, nope: 1}}",
    "services: {web: {command: run, instances: 0}}",
    "services: {web: {command: run, drain: 10}}",
    "services: {web: {command: run, hold: 64kb}}",
    "services: {web: {command: run, retry: on}}",
    "services: {web: {command: run, env: {A-B: 1}}}",
    "{services: {web: {command: run}}, gateway: {access_log: {format: xml}}}",
    "{services: {web: {command: run}}, gateway: {access_log: yes}}",
    "services: {web: {command: run, listen: 8080}}",
    "services: {web: {command: run, health: {path: x}}}",
    "{services: {web: {command: run}}, drills: {on: production}}",
    "{services: {web: {command: run}}, drills: {load: {requests: [get /]}}}",
    "{services: {web: {command: run}}, drills: {load: {recorded: a.har}}}",
    "{services: {web: {command: run}}, drills: {expect: [{fault: Kill}]}}",
    "{services: {web: {command: run}}, drills: {accept: [{fault: kill, target: web, reason: ' '}]}}",
    "{services: {web: {command: run}}, drills: {accept: [{fault: kill, target: web, reason: x, until: soon}]}}",
]


def walk(schema):
    yield schema
    for value in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(value, (dict, list)):
            yield from walk(value)


@pytest.fixture(scope="module")
def schema():
    return json_schema()


def test_it_is_a_valid_json_schema(schema):
    Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_good_file_passes_both_the_schema_and_the_loader(schema, tmp_path):
    (tmp_path / "mainstay.yaml").write_text(GOOD)

    system = load(tmp_path / "mainstay.yaml", {})

    assert list(Draft202012Validator(schema).iter_errors(YAML(typ="safe", pure=True).load(GOOD))) == []
    assert system.services["web"].instances == 3


@pytest.mark.parametrize("text", BAD)
def test_what_the_schema_refuses_the_loader_refuses(schema, tmp_path, text):
    (tmp_path / "mainstay.yaml").write_text(text)

    assert not Draft202012Validator(schema).is_valid(YAML(typ="safe", pure=True).load(text))
    with pytest.raises(SystemFileError):
        load(tmp_path / "mainstay.yaml", {})


def test_defaults_are_written_as_people_write_them_and_are_valid(schema):
    told = {}
    for section in walk(schema):
        for key, value in section.get("properties", {}).items() if isinstance(section, dict) else ():
            if "default" in value:
                told[key] = value["default"]
                assert Draft202012Validator({**value, "$defs": schema["$defs"]}).is_valid(value["default"])

    assert told["stop_timeout"] == "10s"
    assert told["hold"] == "64KiB"
    assert told["keep"] in ("50%", 3, "on")
    assert told["failover"] == "on"
    assert told["slow_start"] == "0"


def test_null_is_never_offered(schema):
    assert {"type": "null"} not in list(walk(schema))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_described_and_stands_in_the_reference(section):
    text = reference()

    for key, field in section.model_fields.items():
        assert field.description, f"{section.__name__}.{key} has no description"
        assert " ".join(field.description.split()).replace("|", "\\|") in text
        assert re.search(rf"^\| `{field.alias or key}` \| \S", text, re.MULTILINE)


def test_the_reference_tells_types_and_defaults():
    text = reference()

    for row in (
        "| `command` | text or list | none |",
        "| `name` | text | none |",
        "| `instances` | whole number, 1 to 1000 | `2` |",
        "| `listen` | text, as in `http://0.0.0.0:8080` | none |",
        "| `health` | `off` or mapping | on |",
        "| `access_log` | `on` or `off` or mapping | off |",
        "| `format` | `json`, `combined` | `json` |",
        "| `timeouts` | mapping | as below |",
        "| `services` | mapping | required |",
        "| `balance` | `power_of_two`, `round_robin`, `least` | `power_of_two` |",
        "| `hold` | size or `0` | `64KiB` |",
        "| `budget` | share | `20%` |",
        "| `workers` | `auto` or whole number, 1 to 256 | `auto` |",
        "| `needs` | list | none |",
        "| `path` | text | none |",
        "| `from` | text | none |",
        "| `writes` | `true`, `false` | `false` |",
    ):
        assert row in text
    assert "## `services.NAME.health`" in text
