import json
import stat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.system.document import read_document
from mainstay.system.load import load
from mainstay.system.start import first_file, quoted, write_first_file


def test_without_anything_a_plain_file_is_written_that_can_be_read(tmp_path):
    file = write_first_file(tmp_path)

    web = load(file, {}).services["web"]
    assert file == tmp_path / "mainstay.yaml"
    assert "put your command below" in file.read_text()
    assert web.argv() == ["/bin/sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"]


def test_a_procfile_becomes_services(tmp_path):
    (tmp_path / "Procfile").write_text(
        "# processes\n"
        "web: gunicorn app:app -b 127.0.0.1:${PORT}\n"
        "\n"
        "Night_Worker: python worker.py --queue '$$' #1\n"
        "release: python migrate.py\n"
    )

    file = write_first_file(tmp_path)

    services = load(file, {}).services
    assert list(services) == ["web", "night-worker"]
    assert services["web"].command == "gunicorn app:app -b 127.0.0.1:${PORT}"
    assert services["web"].listen is not None
    assert services["web"].instances == 2
    assert services["night-worker"].command == "python worker.py --queue '$$' #1"
    assert services["night-worker"].instances == 1
    assert "release is left out" in file.read_text()


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("node server.js", "node server.js"),
        ("npm run build && node .", "npm start"),
        ("vite preview", "npm start"),
    ],
)
def test_a_start_script_becomes_a_service(tmp_path, script, command):
    (tmp_path / "package.json").write_text(json.dumps({"scripts": {"start": script}}))

    assert load(write_first_file(tmp_path), {}).services["web"].command == command


@pytest.mark.parametrize("content", ["{}", "[]", '{"scripts": []}', '{"scripts": {"start": " "}}'])
def test_a_package_without_a_start_script_gives_a_plain_file(tmp_path, content):
    (tmp_path / "package.json").write_text(content)

    assert "put your command below" in first_file(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Procfile", b"web gunicorn", "Procfile:1: found 'web gunicorn', allowed is NAME: COMMAND"),
        ("Procfile", b"1: run", "Procfile:1: found '1: run', allowed is NAME: COMMAND"),
        ("Procfile", b"a: run\nA: run", "Procfile:2: the process a is there twice"),
        ("Procfile", b"release: run", "the Procfile has no process to keep running"),
        ("Procfile", b"\xff", "Procfile cannot be read"),
        ("package.json", b"{", "package.json is not JSON"),
        ("package.json", b"[" * 100_000, "package.json is not JSON"),
    ],
)
def test_what_cannot_be_understood_is_told_and_nothing_written(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(EnvironmentProblem, match=message):
        write_first_file(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["mainstay.yaml", "mainstay.yml"])
def test_a_file_that_is_there_is_left_as_it_is(tmp_path, name):
    (tmp_path / name).write_text("mine")

    with pytest.raises(MainstayError, match="is there already; it was left as it is"):
        write_first_file(tmp_path)

    assert (tmp_path / name).read_text() == "mine"


def test_a_dangling_link_is_not_written_through(tmp_path):
    (tmp_path / "mainstay.yaml").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(EnvironmentProblem, match="cannot be written: file exists"):
        write_first_file(tmp_path)

    assert not (tmp_path / "elsewhere").exists()


def test_the_file_is_an_ordinary_one(tmp_path):
    assert stat.S_IMODE(write_first_file(tmp_path).stat().st_mode) & 0o600 == 0o600


@example("False")
@example("null")
@example("true")
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_whatever_a_command_is_it_reads_back(command):
    document = read_document(f"services: {{web: {{command: {quoted(command)}}}}}\n", {})

    assert document.problems == []
    assert document.content == {"services": {"web": {"command": command}}}
