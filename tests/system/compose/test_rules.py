"""The rules about Compose files."""

import pytest

from mainstay.redundancy.audit.catalogue import OF_COMPOSE
from mainstay.system.compose.plan import composed
from mainstay.system.compose.project import read_project
from mainstay.system.inspection import inspect

SOUND = (
    "services:\n"
    "  web: { image: 'shop:1.2', scale: 2, restart: always, healthcheck: { test: 'true' }, ports: ['80'] }\n"
)


def found(tmp_path, text):
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    project = read_project(file, {})
    return inspect(composed(project).plan, project.document)


@pytest.mark.parametrize("rule", OF_COMPOSE.values(), ids=OF_COMPOSE)
def test_a_rule_finds_its_own_example_at_its_line(rule, tmp_path):
    one = next(each for each in found(tmp_path, rule.example) if each.rule is rule)

    line = rule.example.splitlines()[one.line - 1]
    assert line.strip().partition(":")[0] in one.path


def test_a_sound_file_has_nothing_to_be_found(tmp_path):
    assert found(tmp_path, SOUND) == []


def test_a_file_for_development_is_not_scolded(tmp_path):
    text = "services:\n  web: { build: ., volumes: ['.:/app'], ports: ['80:80'], depends_on: [db] }\n  db: { image: postgres }\n"

    assert found(tmp_path, text) == []
    assert {each.rule.id for each in found(tmp_path, text.replace("'.:/app'", "'.:/app:ro'"))} > {
        "compose-no-tag"
    }


@pytest.mark.parametrize(
    ("build", "mount", "is_source"),
    [
        (".", ".", True),
        (".", "./src", True),
        ("./web", "./web", True),
        ("{ context: web }", "./web/app", True),
        (".", "./data", False),
        ("./web", "./db/src", False),
        ("./web", "/srv/app", False),
        ("https://example.com/a.git", ".", False),
    ],
)
def test_a_file_is_for_development_when_the_source_is_mounted_and_not_the_data(
    tmp_path, build, mount, is_source
):
    file = tmp_path / "compose.yaml"
    file.write_text(f"services:\n  web: {{ build: {build}, volumes: ['{mount}:/in'] }}\n")

    assert composed(read_project(file, {})).plan.development is is_source


def test_a_service_of_a_profile_for_developers_is_not_scolded(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(SOUND + "  adminer: { image: adminer, profiles: [dev], ports: ['8080:80'] }\n")
    project = read_project(file, {})

    assert inspect(composed(project, ["dev"]).plan, project.document) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("scale: 2", "deploy: { replicas: 1 }"), "compose-one-replica"),
        (
            ("restart: always", "deploy: { replicas: 2, restart_policy: { condition: none } }"),
            "compose-no-restart",
        ),
        (("test: 'true'", "test: [NONE]"), "compose-no-healthcheck"),
        (("shop:1.2", "host:5000/shop"), "compose-no-tag"),
        (("'80'", "'127.0.0.1:8080:80'"), "compose-one-port"),
    ],
)
def test_a_rule_sees_what_is_written_otherwise(tmp_path, change, rule):
    assert [each.rule.id for each in found(tmp_path, SOUND.replace(*change))] == [rule]


@pytest.mark.parametrize(
    "link", ["depends_on: [other]", "x-mainstay: { needs: [other] }", "environment: { A: 'other:1' }"]
)
def test_what_is_named_by_another_is_connected(tmp_path, link):
    other = "  other: { image: 'a:1', scale: 2, restart: always, healthcheck: { test: 'true' } }\n"
    connected = SOUND.replace("ports:", f"{link}, ports:").replace(
        "[other]", "{ other: { condition: service_healthy } }" if "depends" in link else "[other]"
    )

    assert [each.rule.id for each in found(tmp_path, SOUND + other)] == ["compose-unconnected"]
    assert found(tmp_path, connected + other) == []


def test_a_volume_that_is_read_only_is_nobodys(tmp_path):
    text = SOUND.replace("ports:", "volumes: ['data:/dataMODE'], ports:")

    assert [each.rule.id for each in found(tmp_path, text.replace("MODE", ""))] == ["compose-shared-volume"]
    assert found(tmp_path, text.replace("MODE", ":ro")) == []
