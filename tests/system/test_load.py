import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstay.base.errors import SystemFileError
from mainstay.system.load import LARGEST, folder_slug, load
from mainstay.system.schema import System
from mainstay.system.witness import AccessLog

SERVICE_KEYS = (
    "command, addresses, host, instances, listen, max_connections, routes, tls, upstream_tls, proxy_protocol, cwd, env, env_file, user, health, timeouts, retry, idempotency, hedge, suspicion, concurrency, breaker, outlier, balance, sticky, "
    "slow_start, failover, upgrade, fallback, hold, wait, restart, ready_within, drain, stop_timeout, needs, objective, users, logs"
)
NAME_RULE = "allowed are small letters, digits and hyphens, beginning with a letter, up to 63"


@pytest.fixture
def write(tmp_path):
    def written(text):
        file = tmp_path / "mainstay.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return written


def problems_of(file, environ=None):
    with pytest.raises(SystemFileError) as refused:
        load(file, environ or {})
    return [line.removeprefix(str(file)).removeprefix(":") for line in refused.value.lines()]


def service(keys):
    """One service with these keys from line 4 on."""
    lines = "\n".join(f"    {line}" for line in keys.splitlines())
    return f"services:\n  web:\n    command: run\n{lines}\n"


ONE_PROBLEM = [
    # The file as YAML.
    ("", " is empty: it must have at least a service"),
    ("# only a comment\n", " is empty: it must have at least a service"),
    ("~", " must be a mapping of keys, not nothing"),
    ("[]", " must be a mapping of keys, not a list"),
    ("just text", " must be a mapping of keys, not 'just text'"),
    (
        "a: b: c",
        (
            "1:5: is not YAML: mapping values are not allowed here;"
            " a text that has a colon and a space in it must be in quotes, as in 'a: b'"
        ),
    ),
    (
        "a: {b: c: d}",
        (
            "1:9: is not YAML: expected ',' or '}', but got ':' while parsing a flow mapping;"
            " a text that has a colon and a space in it must be in quotes, as in 'a: b'"
        ),
    ),
    ("a: b\n c: d", "2:3: is not YAML: mapping values are not allowed here"),
    (
        "a:\n\tb: c",
        (
            "2:1: is not YAML: found character '\\t' that cannot start any token"
            " while scanning for the next token; indent with spaces"
        ),
    ),
    (
        "a: @b",
        (
            "1:4: is not YAML: found character '@' that cannot start any token"
            " while scanning for the next token; a text that begins with it must be in quotes"
        ),
    ),
    (
        "a: [1",
        "1:6: is not YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence",
    ),
    ("services: {}\n--- \nb: 1", "2:1: found a second document, allowed is one"),
    ("a: b\x00", "1:5: is not YAML: the character U+0000 is not allowed"),
    (b"a: b\nc: \xff", "2:4: is not UTF-8 text: found the byte 0xff"),
    (
        "? [a]\n: b\nservices: {web: {command: run}}",
        "1:3: a key must be a single word, not a list or a mapping",
    ),
    (
        service("env: !!map {A: 1}"),
        "4:10: services.web.env: found the tag tag:yaml.org,2002:map, allowed are none",
    ),
    (service("cwd: .\ncwd: ."), "5:5: services.web.cwd: is already on line 4, allowed once"),
    (
        service("cwd: *there"),
        "4:10: *there refers to nothing: there is no &there before it; a text that begins with * must be in quotes",
    ),
    (
        service("sticky: on"),
        (
            "4:13: services.web.sticky: found 'on', allowed: off, or a mapping of its keys,"
            " as in { by: session } or { by: client }"
        ),
    ),
    (service("env: &me {A: *me}"), "4:18: *me contains itself"),
    ("[" * 40, "1:34: is nested more than 32 levels deep"),
    # Keys.
    ("name: shop", " services: is required, but missing"),
    ("services: {}", "1:11: services: must have at least 1 entry"),
    ("services:", "1:1: services: has no value: write '' if it is to be empty"),
    ("services: [web]", "1:11: services: must be a mapping of keys, not a list"),
    ("services: {web: run}", "1:17: services.web: must be a mapping of keys, not 'run'"),
    (
        "services: {web: {instances: 1}}",
        "1:17: services.web: must have either a command or addresses; it has neither",
    ),
    (
        "services: {web: {comand: run}}",
        f"1:18: services.web.comand: unknown key; did you mean command? allowed: {SERVICE_KEYS}",
    ),
    (service("queue: {}"), f"4:5: services.web.queue: unknown key; allowed: {SERVICE_KEYS}"),
    (
        service("health: {evry: 1s}"),
        "4:14: services.web.health.evry: unknown key; did you mean every? allowed: path, send, expect, every, timeout, down_after, up_after",
    ),
    (
        service("slow-start: 1s"),
        f"4:5: services.web.slow-start: unknown key; did you mean slow_start? allowed: {SERVICE_KEYS}",
    ),
    (
        "databases: {}\n" + service(""),
        "1:1: databases: unknown key; allowed: name, zones, gateway, listeners, services, alerts, drills",
    ),
    (
        "gateway: {limits: {heads: 1KB}}\n" + service(""),
        (
            "1:20: gateway.limits.heads: unknown key; did you mean head? allowed: head, headers, head_time, idle, rate, "
            "body, chunk_extensions, trailers, interim, requests, connections"
        ),
    ),
    ("services: {Web: {command: run}}", f"1:12: services.Web: 'Web' is not a name: {NAME_RULE}"),
    ("name: 1shop\n" + service(""), f"1:7: name: '1shop' is not a name: {NAME_RULE}"),
    ("zones: [a, a]\n" + service(""), "1:12: zones[1]: the zone a is named twice"),
    ("zones: [1]\n" + service(""), f"1:9: zones[0]: 1 is not a name: {NAME_RULE}"),
    ("zones: a\n" + service(""), "1:8: zones: must be a list, not 'a'"),
    (
        "zones: [a, b]\ngateway: {zone: c}\n" + service(""),
        "2:17: gateway.zone: there is no zone c; allowed are a, b",
    ),
    (
        "gateway: {zone: c}\n" + service(""),
        "1:17: gateway.zone: there is no zone c; the system has none",
    ),
    (
        "zones: [a]\nservices: {pay: {listen: http://127.0.0.1:1, addresses: [{at: http://a, zone: b}]}}",
        "2:58: services.pay.addresses[0]: there is no zone b; allowed are a",
    ),
    (
        "gateway: {workers: 0}\n" + service(""),
        "1:20: gateway.workers: found 0, allowed: auto, or a whole number from 1 to 256",
    ),
    # Values.
    (service("user:"), "4:5: services.web.user: has no value: write '' if it is to be empty"),
    (service("cwd: ''"), "4:10: services.web.cwd: must not be empty"),
    (service("instances: 0"), "4:16: services.web.instances: must be from 1 to 1000, not 0"),
    (service("instances: 1001"), "4:16: services.web.instances: must be from 1 to 1000, not 1001"),
    (
        service("instances: '2'"),
        "4:16: services.web.instances: must be a whole number from 1 to 1000, not '2'",
    ),
    (
        service("instances: 2.0"),
        "4:16: services.web.instances: must be a whole number from 1 to 1000, not 2.0",
    ),
    (
        service("instances: true"),
        "4:16: services.web.instances: must be a whole number from 1 to 1000, not true",
    ),
    (service("drain: 10"), "4:12: services.web.drain: 10 has no unit: write 10ms, 10s, 10m, 10h or 10d"),
    (service("drain: [1s]"), "4:12: services.web.drain: found a list, allowed is a single value"),
    (service("stop_timeout: 0"), "4:19: services.web.stop_timeout: must be above 0, not 0"),
    (
        service("hold: 64kb"),
        "4:11: services.web.hold: '64kb' is not a size: write a number and one of B, KB, MB, GB, KiB, MiB, GiB, as in 64KiB",
    ),
    (service("retry: {budget: 0.2}"), "4:21: services.web.retry.budget: 0.2 has no unit: write 0.2%"),
    (service("breaker: {rate: 120%}"), "4:21: services.web.breaker.rate: '120%' is more than 100%"),
    (service("breaker: {rate: 0%}"), "4:21: services.web.breaker.rate: must be above 0, not 0%"),
    (
        service("retry: false"),
        "4:12: services.web.retry: found false, allowed: off, or a mapping of its keys",
    ),
    (
        service("health: []"),
        "4:13: services.web.health: found a list, allowed: off, or a mapping of its keys",
    ),
    (service("failover: true"), "4:15: services.web.failover: found true, allowed: on, off"),
    (service("failover: [on]"), "4:15: services.web.failover: found a list, allowed: on, off"),
    (
        service("balance: random"),
        "4:14: services.web.balance: found 'random', allowed: power_of_two, round_robin, least",
    ),
    (
        service("health: {path: healthz}"),
        "4:20: services.web.health.path: must be a path that begins with /, as in /healthz, not 'healthz'",
    ),
    (
        service("health: {path: /a b}"),
        "4:20: services.web.health.path: must be printable ASCII without spaces: write others as %XX (RFC 3986 §2.1)",
    ),
    (
        service("listen: 8080"),
        (
            "4:13: services.web.listen: 8080 is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080, "
            "or the name of one under listeners"
        ),
    ),
    (
        service("listen: http://0.0.0.0:70000"),
        "4:13: services.web.listen: port 70000 cannot be: allowed are 1 to 65535",
    ),
    (service("env: [A=1]"), "4:10: services.web.env: must be a mapping of keys, not a list"),
    (service("env: {A: [1]}"), "4:14: services.web.env.A: must be a single value, not a list"),
    (service("env: {A: }"), "4:11: services.web.env.A: has no value: write '' if it is to be empty"),
    (
        service("env: {A-B: 1}"),
        (
            "4:11: services.web.env.A-B: 'A-B' is not an environment variable: allowed are letters, digits and underscores, "
            "not beginning with a digit"
        ),
    ),
    (
        service("env: {MAINSTAY_URL_API: x}"),
        "4:11: services.web.env.MAINSTAY_URL_API: MAINSTAY_URL_API is set by Mainstay, for what the service needs",
    ),
    (
        service("env: {PORT: 80}"),
        "4:11: services.web.env.PORT: PORT is set by Mainstay, differently for each instance",
    ),
    ("services: {web: {command: 5}}", "1:27: services.web.command: must be text, not 5: put it in quotes"),
    ("services: {web: {command: []}}", "1:27: services.web.command: must have at least one word"),
    ("services: {web: {command: ' '}}", "1:27: services.web.command: must have at least one word"),
    (
        'services: {web: {command: "run \'x"}}',
        "1:27: services.web.command: cannot be split into words: no closing quotation",
    ),
    (
        "services: {web: {command: [run, [x]]}}",
        "1:27: services.web.command: must be a list of words, but has a list in it",
    ),
    # Interpolation.
    (
        service("user: ${WHO}"),
        (
            "4:11: services.web.user: the environment has no WHO: set it, or write ${WHO:-default}, "
            "or $${WHO} to leave it to the program"
        ),
    ),
    (
        service("user: ${WHO?}"),
        "4:11: services.web.user: found '${WHO?}', allowed: ${NAME}, ${NAME:-default}, and $$ for a $",
    ),
    (
        service("user: ${WHO"),
        "4:11: services.web.user: found '${WHO', allowed: ${NAME}, ${NAME:-default}, and $$ for a $",
    ),
    # Between keys.
    (service("user: nobody-has-this"), "4:11: services.web.user: this machine has no user 'nobody-has-this'"),
    (service("needs: [db]"), "4:13: services.web.needs[0]: there is no service db"),
    (service("needs: [web]"), "4:13: services.web.needs[0]: needs go in a circle: web → web"),
    (
        service("timeouts: {attempt: 1m, request: 20s}"),
        "4:25: services.web.timeouts.attempt: must not be longer than request (20s), not 1m",
    ),
    (
        service("timeouts: {attempt: 31s}"),
        "4:25: services.web.timeouts.attempt: must not be longer than request (30s), not 31s",
    ),
    (
        service("restart: {delay: 1m}"),
        "4:22: services.web.restart.delay: must not be longer than cap (30s), not 1m",
    ),
    (service('user: "\\ud83d"'), "4:11: services.web.user: has half of a character in it, which is no text"),
    (
        service('env: {"\\ud83d": 1}'),
        "4:11: services.web.env: a key has half of a character in it, which is no text",
    ),
]


@pytest.mark.parametrize(("text", "line"), ONE_PROBLEM)
def test_what_is_wrong_is_told_with_its_place_and_what_is_allowed(write, text, line):
    file = write(text)

    assert problems_of(file) == [line.strip() if line[0] != " " else line]


def test_a_service_whose_routes_cannot_be_read_is_not_said_to_take_the_requests_of_others(write):
    file = write(
        "listeners: { public: { at: 'http://127.0.0.1:1' } }\n"
        "services:\n"
        "  web: { command: run, listen: public }\n"
        "  api: { command: run, listen: public, routes: [ { path: /api, strip: on } ] }\n"
    )

    assert problems_of(file) == [
        "4:64: services.api.routes[0].strip: unknown key; allowed: host, path, priority, rewrite"
    ]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(write):
    file = write(
        """\
nam: shop
services:
  web:
    comand: node server.js
    instances: 0
    listen: http://0.0.0.0:8080
    needs: [dbb, api]
  api:
    command: run ${TOKEN}
    listen: http://127.0.0.1:8080
    needs: [web]
    timeouts: { attempt: 2m, request: 10 }
    cwd: nowhere
  db:
    command: [postgres]
    retry: { attempts: 3, budget: 20% }
    env_file: [db.env, gone.env]
"""
    )
    (file.parent / "db.env").write_text("A=1\nnonsense\n")

    problems = problems_of(file)

    assert problems == [
        "1:1: nam: unknown key; did you mean name? allowed: name, zones, gateway, listeners, services, alerts, drills",
        f"4:5: services.web.comand: unknown key; did you mean command? allowed: {SERVICE_KEYS}",
        "5:16: services.web.instances: must be from 1 to 1000, not 0",
        "7:13: services.web.needs[0]: there is no service dbb; did you mean db?",
        "7:18: services.web.needs[1]: needs go in a circle: web → api → web",
        (
            "9:14: services.api.command: the environment has no TOKEN: set it, or write ${TOKEN:-default}, "
            "or $${TOKEN} to leave it to the program"
        ),
        "10:13: services.api.listen: http://127.0.0.1:8080 is taken by services.web, which listens on http://0.0.0.0:8080",
        "12:39: services.api.timeouts.request: 10 has no unit: write 10ms, 10s, 10m, 10h or 10d",
        f"13:10: services.api.cwd: no such folder: {file.parent}/nowhere",
        f"17:16: services.db.env_file[0]: {file.parent}/db.env:2: found 'nonsense', allowed is NAME=VALUE",
        f"17:24: services.db.env_file[1]: {file.parent}/gone.env cannot be read: no such file or directory",
    ]


def test_an_admin_listener_that_clashes_is_told_at_its_place_whatever_else_is_wrong(write):
    file = write("""\
gateway:
  workers: none
  admin: http://127.0.0.1:8080
services:
  web: { command: run, listen: "http://0.0.0.0:8080" }
""")

    problems = problems_of(file)

    assert problems == [
        "2:12: gateway.workers: found 'none', allowed: auto, or a whole number from 1 to 256",
        "3:10: gateway.admin: http://127.0.0.1:8080 is taken by services.web, which listens on http://0.0.0.0:8080",
    ]


@pytest.mark.parametrize(
    ("admin", "message"),
    [
        (
            "9901",
            "9901 is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080",
        ),
        ("http://127.0.0.1:0", "port 0 cannot be: allowed are 1 to 65535"),
        (
            "http://1.2.3:80",
            "'1.2.3' is not a host: write a name or an IP address, as in http://0.0.0.0:8080",
        ),
    ],
)
def test_an_admin_address_that_cannot_be_is_told_as_a_listener_is(write, admin, message):
    file = write(f"gateway: {{ admin: {admin} }}\nservices: {{ web: {{ command: run }} }}\n")

    assert problems_of(file) == [f"1:19: gateway.admin: {message}"]


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("yes", "found 'yes', allowed: on, off, or a mapping of its keys"),
        ("{ format: xml }", ".format: found 'xml', allowed: json, combined"),
        ("{ sample: 0% }", ".sample: must be above 0, not 0%"),
        ("{ path: gone/access.log }", ".path: no such folder: FOLDER/gone"),
        ("{ path: . }", ".path: is a folder: FOLDER"),
        ("{ path: /dev/null }", ".path: is not a file: /dev/null"),
    ],
)
def test_an_access_log_that_cannot_be_is_told(write, log, message):
    file = write(f"gateway:\n  access_log: {log}\nservices: {{ web: {{ command: run, cwd: gone }} }}\n")

    told, _ = problems_of(file)

    message = message.replace("FOLDER", str(file.parent))
    assert told.partition("gateway.access_log")[2] == (message if message[0] == "." else f": {message}")


@pytest.mark.parametrize("written", ["on", "gatewy", "3", "[gateway]", "true"])
def test_who_knows_idempotency_keys_is_one_of_the_words_or_a_mapping(write, written):
    file = write(f"services: {{web: {{command: run, listen: http://127.0.0.1:1, idempotency: {written}}}}}")

    with pytest.raises(SystemFileError) as refusal:
        load(file, {})

    assert "allowed: service, gateway, off, or a mapping of its keys" in str(refusal.value)


def test_an_access_log_is_off_unless_told_and_on_is_all_defaults(write):
    plain = load(write("services: {web: {command: run}}"), {})
    on = load(write("gateway: {access_log: on}\nservices: {web: {command: run}}"), {})
    off = load(write("gateway: {access_log: off}\nservices: {web: {command: run}}"), {})

    assert plain.gateway.access_log is off.gateway.access_log is None
    assert on.gateway.access_log == AccessLog()
    assert AccessLog().sample == 1.0


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("https://otel.example/", "https://otel.example"),
        ("https://otel.example:443/base/of-it", "https://otel.example:443/base/of-it"),
        ("'http://[::1]:4318'", "http://[::1]:4318"),
    ],
)
def test_spans_are_exported_to_an_address(write, written, read):
    file = write(
        f"gateway: {{ tracing: {{ export: {written} }} }}\nservices: {{ web: {{ command: run }} }}\n"
    )

    assert load(file, {}).gateway.tracing.export == read


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("on", "'on' is not a collector: HOW"),
        ("4318", "'4318' is not a collector: HOW"),
        ("collector:4318", "'collector:4318' is not a collector: HOW"),
        ("grpc://a:4317", "'grpc://a:4317' is not a collector: HOW"),
        ("http://me:word@a:4318", "'http://me:word@a:4318' is not a collector: HOW"),
        ("http://a:4318/?key=word", "'http://a:4318/?key=word' is not a collector: HOW"),
        ("http://1.2.3:4318", "'1.2.3' is not a host: HOW"),
        ("http://a:0", "port 0 cannot be: allowed are 1 to 65535"),
        ("http://a:4318/v1/traces", "'http://a:4318/v1/traces' is told without /v1/traces, which is added"),
    ],
)
def test_a_collector_that_cannot_be_is_told(write, written, message):
    file = write(
        f"gateway: {{ tracing: {{ export: '{written}' }} }}\nservices: {{ web: {{ command: run }} }}\n"
    )
    how = "write http://HOST:PORT or https://HOST:PORT, as in http://127.0.0.1:4318"

    (told,) = problems_of(file)

    assert told.endswith(f" gateway.tracing.export: {message.replace('HOW', how)}")


def test_a_single_env_file_is_told_without_an_index(write):
    file = write(service("env_file: gone.env"))

    assert problems_of(file) == [
        f"4:15: services.web.env_file: {file.parent}/gone.env cannot be read: no such file or directory"
    ]


def test_two_circles_are_both_told(write):
    file = write(
        "services:\n"
        "  a: {command: run, needs: [b]}\n"
        "  b: {command: run, needs: [c]}\n"
        "  c: {command: run, needs: [a]}\n"
        "  d: {command: run, needs: [d, a]}\n"
        "  e: {command: run}\n"
    )

    assert problems_of(file) == [
        "2:29: services.a.needs[0]: needs go in a circle: a → b → c → a",
        "5:29: services.d.needs[0]: needs go in a circle: d → d",
    ]


def test_a_good_file_is_read_with_every_default(write):
    file = write("services: {web: {command: node server.js, listen: 'http://0.0.0.0:8080'}}")

    system = load(file, {})

    web = system.services["web"]
    assert (system.file, system.folder) == (file.resolve(), file.parent.resolve())
    assert system.name == folder_slug(file.parent)
    assert web.health is not None
    assert (web.instances, web.hold, web.failover) == (2, 65536, True)
    assert web.argv() == ["node", "server.js"]


def test_the_environment_is_put_in_and_plain_values_are_typed_afterwards(write):
    file = write(
        "name: ${NAME}\n"
        "services:\n"
        "  web:\n"
        "    command: run ${WHAT:-that} --port ${PORT} $HOME $$\n"
        "    instances: ${COUNT:-3}\n"
        "    listen: http://127.0.0.1:${PORT}\n"
        "    retry: ${RETRY:-off}\n"
        "    env: { COST: 5$$, VERSION: 1.10, ON: True, NOTHING: '', ME: '${MAINSTAY_INSTANCE}', EMPTY: '${EMPTY:-}' }\n"
    )

    system = load(file, {"NAME": "shop", "WHAT": "", "PORT": "8080"})

    web = system.services["web"]
    assert system.name == "shop"
    assert web.command == "run that --port ${PORT} $HOME $"
    assert (web.instances, web.listen.port, web.retry) == (3, 8080, None)
    assert web.env == {
        "COST": "5$",
        "VERSION": "1.10",
        "ON": "True",
        "NOTHING": "",
        "ME": "${MAINSTAY_INSTANCE}",
        "EMPTY": "",
    }


def test_characters_beyond_the_basic_plane_may_be_written_as_json_does(write):
    file = write('services: {web: {command: "run \\ud83d\\ude00", env: {A: "\\ud83d\\ude00"}}}')

    web = load(file, {}).services["web"]

    assert (web.command, web.env) == ("run 😀", {"A": "😀"})


def test_words_of_a_command_mean_what_is_written(write):
    file = write("services: {web: {command: [sleep, 0.50, true, '', on, 'null']}}")

    assert load(file, {}).services["web"].argv() == ["sleep", "0.50", "true", "", "on", "null"]


def test_anchors_and_merge_keys_share_what_services_have_in_common(write):
    file = write(
        "services:\n"
        "  web: &web\n"
        "    command: run\n"
        "    instances: 3\n"
        "    timeouts: &slow { request: 2m }\n"
        "  api:\n"
        "    <<: *web\n"
        "    instances: 4\n"
        "  job:\n"
        "    <<: [{instances: 5}, *web]\n"
        "    command: [run, job]\n"
    )

    services = load(file, {}).services

    assert [services[name].instances for name in services] == [3, 4, 5]
    assert services["api"].command == "run"
    assert services["job"].timeouts.request == 120


def test_a_problem_in_what_is_merged_is_told_where_it_is_written(write):
    file = write("services:\n  web: &web\n    command: run\n    drain: 5\n  api: {<<: *web}\n")

    problems = problems_of(file)

    assert problems == [
        "4:12: services.api.drain: 5 has no unit: write 5ms, 5s, 5m, 5h or 5d",
        "4:12: services.web.drain: 5 has no unit: write 5ms, 5s, 5m, 5h or 5d",
    ]


def test_only_mappings_can_be_merged(write):
    file = write("services:\n  web:\n    command: run\n    <<: [a]\n")

    assert problems_of(file) == ["4:10: services.web.<<: must be a mapping, or a list of mappings, to merge"]


def bomb_of_lists():
    levels = "\n".join(f"  - &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    return f"a:\n  - &l0 [x]\n{levels}\n"


def bomb_of_merges():
    levels = "\n".join(f"  - &m{n} {{<<: *m{n - 1}, k{n}: 1}}" for n in range(1, 3000))
    return f"a: 1\na:\n  - &m0 {{k: 1}}\n{levels}\nb: *m2999\n"


def test_aliases_cannot_blow_up(write):
    problems = problems_of(write(bomb_of_lists()))

    assert len(problems) == 1
    assert problems[0].endswith("has more than 100000 values with its aliases followed")


def test_merges_cannot_blow_up(write):
    problems = problems_of(write(bomb_of_merges()))

    assert "2:1: a: is already on line 1, allowed once" in problems
    assert any("is nested more than 32 levels deep" in problem for problem in problems)


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert problems_of(tmp_path / "gone.yaml") == [" cannot be read: no such file or directory"]


def test_a_folder_is_told(tmp_path):
    assert problems_of(tmp_path) == [" is a folder; allowed is a YAML file"]


def test_a_pipe_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert problems_of(tmp_path / "pipe") == [" is not a regular file; allowed is a YAML file"]


def test_an_unreadable_file_is_told(write, monkeypatch):
    file = write("")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    assert problems_of(file) == [" cannot be read: permission denied"]


def test_an_enormous_file_is_told(write):
    assert problems_of(write(b" " * (LARGEST + 1))) == [" is larger than 1048576 bytes"]


def test_without_a_path_the_folders_own_file_is_found(write, tmp_path, monkeypatch):
    write(service("")).rename(tmp_path / "mainstay.yml")
    monkeypatch.chdir(tmp_path)

    assert load(environ={}).file == (tmp_path / "mainstay.yml").resolve()


def test_without_a_path_and_without_a_file_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemFileError) as refused:
        load()

    assert str(refused.value) == (
        "mainstay.yaml: no such file in this folder; `mainstay init` writes one, `--file` names another"
    )


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/srv/My Shop", "my-shop"),
        ("/srv/2nd", "nd"),
        ("/", "system"),
        ("/srv/日本", "system"),
        ("/srv/-a_b-", "a-b"),
    ],
)
def test_a_system_is_named_after_its_folder(folder, name):
    assert folder_slug(Path(folder)) == name


KEYS = [
    "name",
    "zones",
    "services",
    "web",
    "command",
    "addresses",
    "listen",
    "health",
    "off",
    "env",
    "needs",
    "<<",
    "timeouts",
    "retry",
]
SCRAPS = st.one_of(
    st.sampled_from(
        [
            *KEYS,
            "${A}",
            "${",
            "$$",
            "*a",
            "&a ",
            "!t",
            "---\n",
            "%YAML 1.2\n",
            "? ",
            "|\n",
            ">\n",
            "\t",
            '"',
            "'",
        ]
    ),
    st.sampled_from(
        [": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "#", "5s", "1", "~", "on", "http://a:1"]
    ),
    st.text(max_size=4),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from([*KEYS, *SERVICE_KEYS.split(", ")]), st.text(max_size=4)),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


def gives_a_system_or_its_problems(file):
    problems = []
    system = None
    try:
        system = load(file, {"A": "x"})
    except SystemFileError as error:
        problems = error.problems

    assert isinstance(system, System) or problems
    assert all(problem.message for problem in problems)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(scraps=st.lists(SCRAPS, max_size=30))
def test_whatever_text_gives_a_system_or_its_problems(write, scraps):
    gives_a_system_or_its_problems(write("".join(scraps).encode("utf-8", "surrogatepass")))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(content=st.binary(max_size=60))
def test_whatever_bytes_give_a_system_or_its_problems(write, content):
    gives_a_system_or_its_problems(write(content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(keys=VALUES, top=VALUES)
def test_whatever_values_give_a_system_or_its_problems(write, keys, top):
    document = {"services": {"web": keys}, "gateway": top}
    gives_a_system_or_its_problems(write(json.dumps(document)))


def test_wrong_trusted_proxies_are_told_once(tmp_path):
    file = tmp_path / "mainstay.yaml"
    file.write_text(
        "gateway: { trusted_proxies: [proxy] }\n"
        "listeners: { public: { at: http://127.0.0.1:8080, proxy_protocol: on } }\n"
        "services: { web: { command: 'true', listen: public } }\n"
    )

    with pytest.raises(SystemFileError) as refused:
        load(file, {})

    assert [problem.path for problem in refused.value.problems] == ["gateway.trusted_proxies[0]"]
