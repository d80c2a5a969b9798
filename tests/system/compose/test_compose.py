"""Compose files as the audit sees them."""

import time
from pathlib import Path

import pytest

from mainstay.base.errors import OtherFileError
from mainstay.redundancy.audit.loss import losses
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.system.compose.dependency import named
from mainstay.system.compose.plan import composed
from mainstay.system.compose.project import read_project
from mainstay.system.compose.text import is_compose
from mainstay.system.compose.variable import interpolate

VOTING = Path(__file__).with_name("voting.yaml")


def needs(told, name):
    return set(told.plan.groups[name].needs)


def test_a_vote_is_not_counted_without_redis_or_db_or_both_of_those_that_are_two():
    plan = composed(read_project(VOTING, {})).plan

    found = losses(plan, ["vote"], 2, Bounds())[0]

    assert sorted(map(sorted, found.cut_sets)) == [
        ["db"],
        ["redis"],
        ["vote-1", "vote-2"],
        ["worker-1", "worker-2"],
    ]
    assert found.by_order == [2, 2]
    assert plan.entries() == ["vote", "result"]


def test_needs_come_from_depends_on_and_links_and_the_environment(compose):
    told = compose(
        "services:\n"
        "  web:\n"
        "    depends_on: [api]\n"
        "    links: ['cache:store']\n"
        "    environment: ['QUEUE_URL=amqp://user:secret@mq:5672', 'MODE=db', 'PEER=search:9200']\n"
        "  api: { image: a }\n  cache: { image: a }\n  mq: { image: a }\n  db: { image: a }\n  search: { image: a }\n"
    )

    assert needs(told, "web") == {"api", "cache", "mq", "search"}


def test_a_service_is_found_by_its_other_names(compose):
    told = compose(
        "services:\n"
        "  web: { image: a, environment: { DB_HOST: primary, CACHE_ADDR: 'store:6379' } }\n"
        "  db: { image: a, networks: { back: { aliases: [primary] } } }\n"
        "  cache: { image: a, container_name: store }\n"
    )

    assert needs(told, "web") == {"db", "cache"}


def test_who_shares_the_network_or_the_volumes_of_another_needs_it(compose):
    told = compose(
        "services:\n"
        "  web: { image: a, network_mode: 'service:vpn', volumes_from: ['files:ro', 'container:else'] }\n"
        "  vpn: { image: a }\n  files: { image: a }\n"
    )

    assert needs(told, "web") == {"vpn", "files"}


def test_services_whose_environments_name_one_another_are_lost_together(compose):
    told = compose(
        "services:\n"
        "  a: { image: x, ports: ['80'], environment: { B_URL: 'http://b' } }\n"
        "  b: { image: x, environment: { A_URL: 'http://a' } }\n"
    )

    assert losses(told.plan, ["a"], 2, Bounds())[0].cut_sets == [("a",), ("b",)]


def test_a_name_that_is_too_long_and_links_in_a_circle_are_told(compose, tmp_path):
    (tmp_path / "round.yaml").symlink_to("round.yaml")

    with pytest.raises(OtherFileError, match="there is no file"):
        compose(f"include: [{'a' * 5000}]\n")
    with pytest.raises(OtherFileError, match="cannot be read"):
        read_project(tmp_path / "round.yaml", {})


def test_a_task_that_others_wait_for_is_not_needed_afterwards(compose):
    told = compose(
        "services:\n"
        "  web: { image: a, depends_on: { migrate: { condition: service_completed_successfully } } }\n"
        "  migrate: { image: a }\n"
    )

    assert needs(told, "web") == set()
    assert told.plan.containers["migrate"].once


def test_profiles_are_off_until_they_are_named(compose):
    text = "services:\n  web: { image: a }\n  probe: { image: a, profiles: [watch] }\n"

    assert list(compose(text).plan.groups) == ["web"]
    assert compose(text).remarks == ["probe is left out: it has the profile watch"]
    assert list(compose(text, ["watch"]).plan.groups) == ["web", "probe"]
    assert list(compose(text, ["*"]).plan.groups) == ["web", "probe"]


def test_what_is_extended_and_included_is_there_as_well(compose, tmp_path):
    (tmp_path / "base.yaml").write_text(
        "services:\n  base:\n    image: a:1\n    restart: always\n    environment: { A: '1', B: '2' }\n    command: [a, b]\n"
    )
    (tmp_path / "more.yaml").write_text("services:\n  db: { image: postgres:16 }\n")

    told = compose(
        "include: [more.yaml]\n"
        "services:\n"
        "  near: { image: b, scale: 3 }\n"
        "  web: { extends: { file: base.yaml, service: base }, environment: [B=3], command: [c], depends_on: [db] }\n"
        "  far: { extends: near }\n"
    )

    web = told.services["web"]
    assert web.environment == {"A": "1", "B": "3"}
    assert web.command == ["c"]
    assert web.restart == "always"
    assert [part.name for part in told.plan.groups["far"].parts] == ["far-1", "far-2", "far-3"]
    assert needs(told, "web") == {"db"}


def test_names_of_replicas_are_never_those_of_others(compose):
    told = compose("services:\n  web: { image: a, scale: 2 }\n  web-1: { image: a }\n")

    names = [part.name for _, part in told.plan.parts()]

    assert names == ["web-1", "web-2", "web-1-1"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("$A-${A}", "1-1"),
        ("$$A", "$A"),
        ("${B:-x}${E:-y}${E-z}", "xy"),
        ("${A:+on}${B:+on}", "on"),
        ("${B:-${C:-deep}}", "deep"),
        ("${B:?must be set}", ""),
        ("5 $ and $1", "5 $ and $1"),
    ],
)
def test_variables_are_put_in_as_compose_does(text, meaning):
    assert interpolate(text, {"A": "1", "E": ""}, set()) == meaning


def test_what_has_no_value_is_told_and_empty(compose):
    told = compose("services:\n  web: { image: 'a:${TAG}' }\n")

    assert told.remarks == ["TAG has no value: taken to be empty"]


def test_what_is_not_known_is_listed_and_not_fatal(compose):
    told = compose("colour: red\nx-mine: 1\nservices:\n  web: { image: a, shape: round, x-own: 1 }\n")

    assert told.remarks == [
        "compose.yaml:1: colour is not known, and left out",
        "compose.yaml:4: services.web.shape is not known, and left out",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "must be a mapping"),
        ("services: 1", "compose.yaml:1:11: services: must be a mapping"),
        ("services:\n  web: 1", "2:8: services.web: must be a mapping"),
        ("services:\n  web: { image: [a] }", "2:17: services.web.image: must be a text"),
        (
            "services:\n  web: { deploy: { replicas: many } }",
            "2:30: services.web.deploy.replicas: must be a whole",
        ),
        ("services:\n  web: { scale: 1000000000 }", "must be a whole number from 0 to 1000"),
        ("services:\n  web: { scale: true }", "must be a whole number"),
        ("services:\n  web: { depends_on: 3 }", "services.web.depends_on: must be a mapping"),
        ("services:\n  web: { depends_on: [db] }", "there is no service db"),
        ("services:\n  web: { depends_on: { web: { condition: ready } } }", "must be one of service_started"),
        (
            "services:\n  a: { depends_on: [b] }\n  b: { depends_on: [c] }\n  c: { depends_on: [b] }",
            "waits for itself: b → c → b",
        ),
        ("services:\n  a: { extends: b }\n  b: { extends: a }", "extends itself"),
        ("services:\n  a: { extends: b }", "there is no service b"),
        ("include: [compose.yaml]\nservices: {}", "1:11: include[0]: compose.yaml includes itself"),
        ("include: [none.yaml]", "there is no file 'none.yaml'"),
        ("include: 3", "must be a list of files"),
        ("services:\n  web: { image: '${A' }", "2:17: services.web.image: found '${A', which has no end"),
        ("services:\n  web: { image: '${1}' }", "allowed: ${NAME}"),
        ("services:\n  web: { ports: [{ a: 1 }, x] }", "services.web.ports[1]: must be a port"),
        ("services:\n  web: { restart: sometimes }", "must be no, always"),
        ("services:\n  web: { environment: { A: [1] } }", "services.web.environment.A: must be a text"),
        ("services:\n  web: { volumes: [3], healthcheck: { disable: 1 } }", "must be true or false"),
        ("services:\n  'a b': { image: a }", "is no name"),
        ('services:\n  web: { command: ["a\\0"] }', "services.web.command: must not contain a null"),
        ("services: {}", "has no service to start"),
        ("services:\n  web: [", "is not YAML"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(compose, text, said):
    with pytest.raises(OtherFileError) as caught:
        compose(text)

    assert said in str(caught.value)


def test_anchors_that_multiply_and_files_that_have_no_end_are_refused(compose, tmp_path):
    laughs = "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with (tmp_path / "large.yaml").open("wb") as large:
        large.truncate(100 * 2**20)
    began = time.process_time()

    with pytest.raises(OtherFileError, match="100000 values"):
        compose("x-0: &a0 [lol]\n" + laughs + "services: { web: { image: a } }\n")
    with pytest.raises(OtherFileError, match="is larger than"):
        read_project(tmp_path / "large.yaml", {})

    assert time.process_time() - began < 20


def test_a_hundred_services_that_extend_one_another_are_too_many(compose):
    text = "services:\n" + "".join(f"  s{n}: {{ extends: s{n + 1} }}\n" for n in range(100)) + "  s100: {}\n"

    with pytest.raises(OtherFileError, match="in a row"):
        compose(text)


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("docker-compose.yml", "services: [", True),
        ("mainstay.yaml", "services: { web: { image: a } }", False),
        ("stack.yml", "services: { web: { image: a } }", True),
        ("stack.yml", "volumes: {}", True),
        ("other.yaml", "services: { web: { command: 'true', instances: 2 } }", False),
        ("other.yaml", "services: [", False),
    ],
)
def test_a_compose_file_is_known_by_its_content(tmp_path, name, text, answer):
    (tmp_path / name).write_text(text)

    assert is_compose(tmp_path / name) is answer


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("DB_HOST", "db", True),
        ("DSN", "postgres://u:p@db/x", True),
        ("SERVERS", "x:1,db:2", True),
        ("ANY", "db:5432", True),
        ("NAME", "db", False),
        ("DB_URL", "http://db.example.com/db", False),
        ("DB_HOST", "", False),
    ],
)
def test_a_variable_names_a_service_by_its_host(variable, value, found):
    assert (named({variable: value}, {"db"}) == {"db": variable}) is found
