"""`mainstay drill chaos` from the command line, without a system."""

import json

import pytest

from mainstay.cli.app import main


def written(folder, tolerance, **more):
    program = {"type": "process", "path": "true"}
    told = {
        "title": "Nothing happens",
        "description": "And it is noticed.",
        "steady-state-hypothesis": {
            "title": "True is true",
            "probes": [{"type": "probe", "name": "true", "tolerance": tolerance, "provider": program}],
        },
        "method": [{"type": "action", "name": "say ${word}", "provider": {"type": "process", "path": "echo", "arguments": ["${word}"]}}],
    }  # fmt: skip
    (folder / "experiment.json").write_text(json.dumps(told | more))


def ended(*words):
    with pytest.raises(SystemExit) as done:
        main(["drill", "chaos", "experiment.json", *words])
    return done.value.code


@pytest.mark.parametrize(
    ("tolerance", "words", "code", "status"),
    [
        (0, (), 0, "completed"),
        (1, (), 1, "failed"),
        (1, ("--hypothesis-strategy", "after-method-only"), 1, "completed"),
    ],
)
def test_the_exit_code_tells_whether_the_hypothesis_held(  # noqa: PLR0913, PLR0917
    tmp_path, monkeypatch, capsys, tolerance, words, code, status
):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, tolerance, controls=[{"name": "theirs"}])

    assert ended("--var", "word=hello", "--journal", "here.json", *words) == code

    journal = json.loads((tmp_path / "here.json").read_text())
    said = capsys.readouterr()
    assert journal["status"] == status
    assert journal["deviated"] is (code == 1 and status == "completed")
    assert [one["output"]["stdout"] for one in journal["run"]] == (
        ["hello\n"] if status == "completed" else []
    )
    assert "extensions" not in journal
    assert "not played: controls" in said.err
    assert said.out.startswith("Nothing happens: ")


@pytest.mark.parametrize(
    ("more", "words", "message"),
    [
        ({"method": None, "title": ""}, (), "title: is required"),
        (
            {},
            ("--rollback-strategy", "sometimes"),
            "found 'sometimes', allowed: default, always, never, deviated",
        ),
        ({}, ("--var", "word"), "--var word: write NAME=VALUE"),
        ({}, ("--isolated", "--file", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (
            {"configuration": {"x": {"type": "env", "key": "NOT_THERE"}}},
            (),
            "the environment has no NOT_THERE",
        ),
        ({}, ("--journal", "no/such/folder.json"), "cannot write 'no/such/folder.json'"),
    ],
)
def test_what_cannot_be_run_ends_with_2(  # noqa: PLR0913, PLR0917
    tmp_path, monkeypatch, capsys, more, words, message
):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, 0, **more)

    assert ended(*words) == 2

    assert message in capsys.readouterr().err.replace("\n", " ")
