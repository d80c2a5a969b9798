"""A system file made from a Compose file."""

from pathlib import Path

import pytest

from mainstay.base.errors import OtherFileError
from mainstay.system.compose.start import from_compose
from mainstay.system.load import load

VOTING = Path(__file__).with_name("voting.yaml")


def made(tmp_path, text):
    (tmp_path / "compose.yaml").write_text(text)
    written = from_compose(tmp_path / "compose.yaml", tmp_path)
    (tmp_path / "mainstay.yaml").write_text(written)
    return written, load(tmp_path / "mainstay.yaml", {})


def test_images_become_addresses_and_the_file_loads(tmp_path):
    _, system = made(tmp_path, VOTING.read_text())

    assert list(system.services) == ["vote", "worker", "redis", "db", "result"]
    assert [str(each) for each in system.services["db"].addresses] == ["tcp://127.0.0.1:5432"]
    assert [str(each) for each in system.services["vote"].addresses] == ["http://127.0.0.1:8080"]


def test_a_command_is_run_here_and_what_is_lost_is_told(tmp_path):
    (tmp_path / "web.env").write_text("A=1\n")

    written, system = made(
        tmp_path,
        "services:\n"
        "  My_Web:\n"
        "    build: .\n"
        "    command: [node, 'server.js', '$$HOME']\n"
        "    scale: 3\n"
        "    ports: ['8080:80', '9090:90']\n"
        "    env_file: web.env\n"
        "    environment: { MODE: 'a$$b', SECRET: '${SECRET}', JOBS_HOST: jobs }\n"
        "    volumes: ['data:/data']\n"
        "    depends_on: [jobs]\n"
        "  jobs: { command: node jobs.js, environment: { WEB_URL: 'http://My_Web:80' } }\n",
    )

    web = system.services["my-web"]
    assert web.command == ["node", "server.js", "$HOME"]
    assert web.instances == 3
    assert web.env == {"MODE": "a$b", "JOBS_HOST": "jobs"}
    assert web.env_file == [Path("web.env")]
    assert str(web.listen) == "http://127.0.0.1:8080"
    assert "# volumes are not carried over: data" in written
    assert "# further ports are not carried over: 9090:90" in written
    assert "# JOBS_HOST names jobs" in written


def test_where_the_gateway_listens_for_what_a_variable_names_is_said(tmp_path):
    written, system = made(
        tmp_path,
        "services:\n"
        "  web: { command: a, environment: { API_URL: 'http://main_api:80/v1' } }\n"
        "  main_api: { command: b, ports: ['8081:80'] }\n",
    )

    assert "# API_URL names main_api: the gateway listens for it at ${MAINSTAY_URL_MAIN_API}" in written
    assert system.services["web"].urls == {"MAINSTAY_URL_MAIN_API": "http://127.0.0.1:8081"}


def test_a_task_is_left_out_and_what_has_no_counterpart_is_named(tmp_path):
    written, system = made(
        tmp_path,
        "services:\n"
        "  web:\n"
        "    command: serve --port 80\n"
        "    entrypoint: [/bin/run]\n"
        "    restart: 'no'\n"
        "    cap_add: [NET_ADMIN]\n"
        "    depends_on: { migrate: { condition: service_completed_successfully } }\n"
        "  migrate: { command: migrate }\n"
        "  cache: { image: 'redis:7', command: [--appendonly, 'yes'], environment: { A: b } }\n",
    )

    assert list(system.services) == ["web", "cache"]
    assert system.services["web"].command == ["/bin/run", "serve", "--port", "80"]
    assert system.services["cache"].addresses
    assert "# migrate is left out: it is to run once" in written
    assert "# not carried over: cap_add\n" in written
    assert "# not carried over: environment\n" in written
    assert "# in the Compose file it is not started again" in written


def test_values_of_the_environment_are_not_written_down(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "of-mine")
    (tmp_path / ".env").write_text("OTHER=of-yours\n")

    written, _ = made(tmp_path, "services:\n  web: { command: a, environment: [SECRET, 'B=${OTHER}'] }\n")

    assert "of-mine" not in written
    assert "of-yours" not in written


@pytest.mark.parametrize("text", ['"a\\nevil: 1"', '"a\\u2028b"', "'#'"])
def test_text_of_others_stays_within_its_comment(tmp_path, text):
    _, system = made(tmp_path, f"services:\n  web: {{ image: {text} }}\n")

    assert list(system.services) == ["web"]


def test_a_file_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(OtherFileError):
        made(tmp_path, "services: 1\n")
