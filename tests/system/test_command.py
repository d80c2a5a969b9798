import subprocess

import pytest

from mainstay.system.command import argv, executable_problem, expanded


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("node server.js", ["node", "server.js"]),
        ("  node 'my server.js'\n", ["node", "my server.js"]),
        (["node", "my server.js"], ["node", "my server.js"]),
        ("node server.js --port $PORT", ["/bin/sh", "-c", "exec node server.js --port $PORT"]),
        ("node --port=${PORT:-80}", ["/bin/sh", "-c", "exec node --port=${PORT:-80}"]),
        ("node server.js > out.log", ["/bin/sh", "-c", "exec node server.js > out.log"]),
        ("make && node server.js", ["/bin/sh", "-c", "make && node server.js"]),
        ("make; node server.js", ["/bin/sh", "-c", "make; node server.js"]),
        ("A=1 node server.js", ["/bin/sh", "-c", "A=1 node server.js"]),
        ("exec node $PORT", ["/bin/sh", "-c", "exec node $PORT"]),
        (". ./env $PORT", ["/bin/sh", "-c", ". ./env $PORT"]),
        ("make\nnode server.js", ["/bin/sh", "-c", "make\nnode server.js"]),
    ],
)
def test_a_shell_runs_only_what_has_shell_syntax(command, words):
    assert argv(command) == words


def test_a_simple_command_takes_the_shells_place():
    words = argv("sh -c 'exit 7' > /dev/null")

    assert subprocess.run(words, check=False).returncode == 7


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("${PORT}", "80"),
        ("${PORT:-90}", "80"),
        ("${EMPTY:-90}", "90"),
        ("${EMPTY}", ""),
        ("${NONE:-90}", "90"),
        ("${NONE}", "${NONE}"),
        ("$PORT", "$PORT"),
    ],
)
def test_values_take_the_place_of_names(word, result):
    assert expanded(word, {"PORT": "80", "EMPTY": ""}) == result


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good").write_text("#!/bin/sh\n")
    (tmp_path / "good").chmod(0o755)
    (tmp_path / "text").write_text("text")
    (tmp_path / "inside").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("good", None),
        ("./good x", None),
        (["./good"], None),
        ("./good $PORT", None),
        ("none", "command not found: none (looked in PATH: {folder})"),
        (["none"], "command not found: none (looked in PATH: {folder})"),
        ("none $PORT", "command not found: none (looked in PATH: {folder})"),
        ("./none", "command not found: {folder}/none"),
        ("./text", "command cannot be executed: {folder}/text (a file with execute permission is needed)"),
        (
            "./inside",
            "command cannot be executed: {folder}/inside (a file with execute permission is needed)",
        ),
        ("none && good", None),
        ("$NONE x", None),
        ("A=1 none", None),
    ],
)
def test_a_command_that_cannot_be_started_is_told_beforehand(folder, command, problem):
    told = executable_problem(command, folder, str(folder))

    assert told == (problem and problem.format(folder=folder))
