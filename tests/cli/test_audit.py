"""`mainstay audit`: what it prints and writes, and how it ends."""

import json

import jsonschema
import pytest
from typer.testing import CliRunner

from mainstay.cli.app import command_line
from mainstay.redundancy.audit.catalogue import RULES
from mainstay.redundancy.structure.bounds import Bounds

VOTING = """\
name: voting
services:
  vote: { command: 'true', listen: 'http://127.0.0.1:5000', needs: [worker, redis] }
  worker: { command: 'true', needs: [redis, db] }
  redis: { command: 'true', instances: 1, listen: 'tcp://127.0.0.1:6379' }
  db: { command: 'true', instances: 1, listen: 'tcp://127.0.0.1:5432' }
  result: { command: 'true', instances: 1, listen: 'http://127.0.0.1:5001', needs: [db] }
"""
TREE = """<opsa-mef><define-fault-tree name="dark">
<define-gate name="dark"><and><basic-event name="mains"/><gate name="spare"/></and></define-gate>
<define-gate name="spare"><or><basic-event name="generator"/><basic-event name="relay"/></or></define-gate>
</define-fault-tree><model-data>
<define-basic-event name="mains"><float value="0.03"/></define-basic-event>
<define-basic-event name="generator"><float value="0.02"/></define-basic-event>
<define-basic-event name="relay"><float value="0.05"/></define-basic-event>
</model-data></opsa-mef>"""

# What code hosts take of SARIF 2.1.0, from the standard's §3.13, §3.14, §3.19, §3.27 to §3.30 and §3.49.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {"required": ["driver"], "properties": {"driver": {"required": ["name"]}}},
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "locations"],
                            "properties": {
                                "message": {"required": ["text"]},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "locations": {
                                    "minItems": 1,
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        }
                                                    }
                                                },
                                            }
                                        }
                                    },
                                },
                                "suppressions": {
                                    "items": {
                                        "required": ["kind"],
                                        "properties": {"kind": {"enum": ["inSource", "external"]}},
                                    }
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}


@pytest.fixture
def audit(tmp_path):
    (tmp_path / "mainstay.yaml").write_text(VOTING)

    def run(*words, file="mainstay.yaml"):
        return CliRunner().invoke(command_line(["audit"]), ["audit", str(tmp_path / file), *map(str, words)])

    return run


def test_it_says_what_stops_whom_and_ends_with_1(audit):
    done = audit()

    assert done.exit_code == 1
    assert "losing db-1 stops vote and result, until it is started again" in done.stdout
    assert "losing worker-1 and worker-2 stops vote" in done.stdout
    assert "losing this host stops vote and result" in done.stdout
    assert "there is one instance of redis, which 2 other services cannot do without" in done.stdout


def test_json_has_the_single_points_the_cut_sets_and_the_findings(audit):
    told = json.loads(audit("--json", "--fail-on", "never").stdout)

    of_vote = [sorted(each["parts"]) for each in told["cut_sets"] if each["entry"] == "vote"]
    assert sorted(of_vote) == [["db-1"], ["redis-1"], ["vote-1", "vote-2"], ["worker-1", "worker-2"]]
    assert [each["part"] for each in told["single_points_of_failure"]] == [
        "redis-1",
        "db-1",
        "result-1",
        "this host",
    ]
    assert {each["line"] for each in told["findings"]} == {5, 6, 7}


def test_an_entry_may_be_named_and_cut_sets_may_be_longer(audit):
    told = json.loads(audit("--json", "--entry", "worker", "--order", "3", "--fail-on", "never").stdout)

    assert [each["entry"] for each in told["entries"]] == ["worker"]
    assert told["entries"][0]["by_order"] == [2, 1, 0]


def test_what_the_baseline_accepts_does_not_fail_and_is_shown_with_its_reason(audit, tmp_path):
    baseline = tmp_path / "accepted.yaml"
    baseline.write_text(
        "accepted:\n"
        "  - { rule: single-instance, at: services.redis, reason: a cache }\n"
        "  - { rule: single-instance, at: services.db, reason: backed up }\n"
        "  - { rule: single-instance, at: services.result.instances, reason: only we look at it, until: 2999-01-01 }\n"
        "  - { rule: retry-off, at: services.vote, reason: it was so once }\n"
    )

    done = audit("--baseline", baseline, "--fail-on", "warning")

    assert done.exit_code == 0
    assert "because: backed up" in done.stdout
    assert "accepts retry-off at services.vote, which no rule finds any more" in done.stderr


def test_what_was_accepted_until_yesterday_counts_again(audit, tmp_path):
    baseline = tmp_path / "accepted.yaml"
    baseline.write_text(
        "accepted: [{ rule: single-instance, at: services, reason: for now, until: 2020-01-01 }]\n"
    )

    done = audit("--baseline", baseline)

    assert done.exit_code == 1


def test_a_baseline_without_reasons_is_refused_with_the_line(audit, tmp_path):
    baseline = tmp_path / "accepted.yaml"
    baseline.write_text("accepted:\n  - rule: single-instance\n    at: services.db\n")

    done = audit("--baseline", baseline)

    assert "accepted.yaml:2" in str(done.exception)
    assert "reason" in str(done.exception)


def test_sarif_is_what_code_hosts_take(audit, tmp_path):
    file = tmp_path / "a.sarif"
    baseline = tmp_path / "accepted.yaml"
    baseline.write_text("accepted: [{ rule: single-instance, at: services.db, reason: backed up }]\n")

    audit("--sarif", file, "--baseline", baseline)

    told = json.loads(file.read_text())
    jsonschema.validate(told, SARIF)
    run = told["runs"][0]
    results = run["results"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    assert all(list(RULES)[each["ruleIndex"]] == each["ruleId"] for each in results)
    assert [each["suppressions"][0]["justification"] for each in results if "suppressions" in each] == [
        "backed up"
    ]


def test_markdown_is_written_and_added_to_a_summary(audit, tmp_path, monkeypatch):
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))

    audit("--markdown", file)

    assert file.read_text().startswith("before\n## Audit of voting\n")
    assert "- losing db-1 stops vote and result" in file.read_text()


def test_a_fault_tree_has_its_probability_cut_sets_and_importance(audit, tmp_path):
    (tmp_path / "dark.xml").write_text(TREE)

    shown = audit(file="dark.xml")
    told = json.loads(audit("--json", file="dark.xml").stdout)

    assert shown.exit_code == 0
    assert "{mains, generator}" in shown.stdout
    assert told["probability"] == pytest.approx(0.00207)
    assert told["by_order"] == [0, 2]
    assert told["importance"][0]["event"] == "mains"
    assert told["importance"][0]["reduction"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--entry", "shop"], "--entry: there is no service shop; there are: vote, worker"),
        (["--fail-on", "note"], "--fail-on: must be error, warning, never, not note"),
        (["--order", "0"], "--order: must be from 1 to 20, not 0"),
        (["--within", "soon"], "--within: "),
        (["--sarif", "/nowhere/a.sarif"], "--sarif: cannot write '/nowhere/a.sarif'"),
    ],
)
def test_options_that_cannot_be_are_refused(audit, words, said):
    assert said in str(audit(*words).exception)


def test_a_fault_tree_has_no_baseline(audit, tmp_path):
    (tmp_path / "dark.xml").write_text(TREE)

    assert "--entry: is for system files" in str(audit("--entry", "a", file="dark.xml").exception)


def test_a_fault_tree_in_which_failures_mend_has_no_cut_sets(audit, tmp_path):
    (tmp_path / "dark.xml").write_text(TREE.replace("<or>", "<nor>").replace("</or>", "</nor>"))

    shown = audit("--order", "3", file="dark.xml").stdout

    assert "it has no minimal cut sets" in shown


def test_a_fault_tree_that_is_too_large_is_not_read(audit, tmp_path, monkeypatch):
    monkeypatch.setattr("mainstay.cli.audited.LARGEST", 10)
    (tmp_path / "dark.xml").write_text(TREE)

    assert "is larger than 10 bytes" in str(audit(file="dark.xml").exception)


def test_a_structure_that_takes_too_long_is_given_up(audit, tmp_path):
    inputs = "".join(f'<basic-event name="e{n}"/>' for n in range(600))
    (tmp_path / "wide.xml").write_text(
        f"<opsa-mef><define-gate name='top'><atleast min='300'>{inputs}</atleast></define-gate></opsa-mef>"
    )

    done = audit("--within", "1ms", file="wide.xml")

    assert "the structure takes too long" in str(done.exception)


def test_of_a_tree_that_is_too_large_bounds_are_told(audit, tmp_path, monkeypatch):
    monkeypatch.setattr("mainstay.cli.audit.Bounds", lambda may_go_on: Bounds(10_000, may_go_on))
    # The worst order: the second half of each pair comes after all first halves.
    pairs = "".join(f"<and><basic-event name='a{n}'/><basic-event name='b{n}'/></and>" for n in range(14))
    firsts = "".join(f"<basic-event name='a{n}'/>" for n in range(14))
    model = "".join(
        f"<define-basic-event name='{letter}{n}'><float value='0.01'/></define-basic-event>"
        for letter in "ab"
        for n in range(14)
    )
    (tmp_path / "tree.xml").write_text(
        f"<opsa-mef><define-gate name='top'><and><or>{firsts}</or><or>{pairs}</or></and></define-gate>"
        f"<model-data>{model}</model-data></opsa-mef>"
    )

    shown = audit(file="tree.xml")
    told = json.loads(audit("--json", file="tree.xml").stdout)

    assert "more than 10,000 steps; so these are bounds, from all cut sets of up to 3 events" in shown.stderr
    assert "probability of the top event from 0.0001 to" in shown.stdout
    assert told["by_order"] == [0, 14]
    low, high = told["between"]
    assert low <= 1 - (1 - 0.0001) ** 14 <= high < 0.002


def test_two_forms_in_one_file_are_refused(audit, tmp_path):
    done = audit("--sarif", tmp_path / "a", "--markdown", tmp_path / "a")

    assert "is the file of --sarif already" in str(done.exception)


def test_of_many_pairs_people_see_ten_and_programs_all(audit, tmp_path):
    services = "".join(
        f"  s{n}: {{ command: 'true', listen: 'http://127.0.0.1:{6000 + n}' }}\n" for n in range(12)
    )
    (tmp_path / "many.yaml").write_text(f"services:\n{services}")

    shown = audit(file="many.yaml")
    told = json.loads(audit("--json", file="many.yaml").stdout)

    assert shown.exit_code == 0
    assert "and 2 more (--json has all)" in shown.stdout
    assert len(told["cut_sets"]) == 12
    assert "no rule found anything" in shown.stdout


def test_a_zone_that_stops_users_is_named(audit, tmp_path):
    (tmp_path / "zones.yaml").write_text(
        "zones: [a, b]\nservices:\n"
        "  web: { command: 'true', listen: 'http://127.0.0.1:6000', needs: [db] }\n"
        "  db: { command: 'true', instances: 1 }\n"
    )

    assert "no: a" in audit(file="zones.yaml").stdout


def test_a_fault_tree_that_is_not_there_is_told(audit):
    assert "is no file; allowed is a fault tree in XML" in str(audit(file="no.xml").exception)


COMPOSE = """\
services:
  web: { image: 'shop:1.2', deploy: { replicas: 2 }, ports: ['80'], depends_on: [db], colour: red }
  db: { image: postgres }
  probe: { image: probe, profiles: [watch], ports: ['90'] }
"""


def test_a_compose_file_in_this_folder_is_taken_where_there_is_no_system_file(tmp_path, monkeypatch):
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(command_line(["audit"]), ["audit"])

    assert done.exit_code == 1
    assert "losing db stops web" in done.stdout
    assert "losing web-1 and web-2 stops web" in done.stdout
    assert "losing this host stops web: Docker Compose runs all on one" in done.stdout
    assert "compose.yaml:3:3: there is one replica of db" in done.stdout
    assert "compose.yaml:2: services.web.colour is not known" in done.stderr
    assert "Mainstay itself" not in done.stdout


@pytest.mark.parametrize("variable", [True, False])
def test_a_profile_is_switched_on_by_its_name(tmp_path, monkeypatch, variable):
    file = tmp_path / "stack.yml"
    file.write_text(COMPOSE)
    monkeypatch.setenv("COMPOSE_PROFILES", "watch" if variable else "")
    words = [] if variable else ["--profile", "watch"]

    done = CliRunner().invoke(command_line(["audit"]), ["audit", str(file), "--json", *words])

    assert [each["entry"] for each in json.loads(done.stdout)["entries"]] == ["web", "probe"]


def test_a_compose_file_that_cannot_be_is_refused_with_its_line(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.replace("[db]", "[dbs]"))

    done = CliRunner().invoke(command_line(["audit"]), ["audit", str(file)])

    said = "compose.yaml:2:81: services.web.depends_on: there is no service dbs"
    assert said in str(done.exception)


def test_a_system_file_has_no_profiles(audit):
    assert "--profile: is for Compose files" in str(audit("--profile", "dev").exception)


def test_a_compose_file_becomes_a_system_file(tmp_path):
    (tmp_path / "compose.yaml").write_text(COMPOSE)

    done = CliRunner().invoke(
        command_line(["init"]), ["init", str(tmp_path), "--from", str(tmp_path / "compose.yaml"), "--json"]
    )

    assert json.loads(done.stdout)["services"] == ["web", "db"]
