"""The commands as a person types them, and what they say when something is wrong."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from e2e.conftest import EXAMPLES, PATIENCE, kill
from mainstay.supervisor import procfs
from mainstay.system.publish import json_schema

pytestmark = pytest.mark.e2e

PLAIN = """\
name: plain
services:
  web:
    command: python3 -m http.server --bind 127.0.0.1 $PORT
    listen: http://127.0.0.1:PORT_HERE
"""


def get(site, path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def foreground(site, *words):
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "mainstay", "up", *words],
        cwd=site.folder,
        env=site.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(stream, words):
    lines = []
    for line in stream:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} was not said: {lines}")


def all_up(status):
    return all(row["state"] == "up" for row in status["instances"])


def pids(status):
    return [row["pid"] for row in status["instances"]]


def nothing_runs(site):
    return site.mainstay("status").returncode == 4


# --- a whole day in the life ---


def test_up_status_logs_down(site):
    site.write(PLAIN)
    site.up()

    status = site.status()
    assert get(site)[0] == 200
    shown = site.done("status").stdout
    logs = site.done("logs", "web", "-n", "50").stdout
    ended = site.done("down", "--json")
    told = (site.folder / ".mainstay/logs/supervisor.log").read_text().splitlines()

    assert status["version"] == 1
    assert status["supervisor_pid"] > 1
    assert [row["state"] for row in status["instances"]] == ["up", "up"]
    assert {"service", "instance", "zone", "generation", "pid", "port", "state"} <= set(
        status["instances"][0]
    )
    assert all(worker["pid"] for worker in status["workers"])
    assert "web-1" in shown
    assert "OPTIONS *" in logs or "GET /" in logs
    assert json.loads(ended.stdout)["stopped"] == 3 + len(status["workers"])
    assert nothing_runs(site)
    assert any(line.endswith("mainstay | web-1 ready") for line in told)
    assert all(re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in told)


def test_a_crash_is_shown_with_its_reason_and_last_words(site):
    site.write(PLAIN.replace("plain\n", "plain\nzones: [a, b]\n", 1))
    site.up()
    kill(site.instance("web-2")["pid"])
    site.until(lambda status: status["instances"][1]["generation"] == 2)

    shown = site.until(lambda status: status["instances"][1]["state"] == "up")
    said = site.done("status").stdout

    assert shown["instances"][1]["last_exit"]["reason"] == "killed by SIGKILL"
    assert [row["zone"] for row in shown["instances"]] == ["a", "b"]
    assert "web-2: last exit" in said
    assert "killed by SIGKILL" in said


def test_a_crash_loop_is_visible_and_never_given_up(site):
    site.write(
        f"""\
services:
  web:
    command: ['{sys.executable}', -c, "import os, http.server as h; assert not os.path.exists('broken');
      h.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), h.SimpleHTTPRequestHandler).serve_forever()"]
    listen: http://127.0.0.1:PORT_HERE
    instances: 2
    restart: {{ delay: 50ms, cap: 200ms }}
"""
    )
    site.up()
    (site.folder / "broken").touch()
    kill(site.instance("web-1")["pid"])

    looping = site.until(lambda status: status["instances"][0]["restarts"] >= 3)
    others = get(site)[0]
    (site.folder / "broken").unlink()
    healed = site.until(lambda status: status["instances"][0]["state"] == "up")

    assert any("AssertionError" in line for line in looping["instances"][0]["last_exit"]["log"])
    assert others == 200
    assert healed["instances"][0]["restarts"] >= 3


def test_ctrl_c_in_the_foreground_stops_everything_gracefully(site):
    site.write(PLAIN)
    process = foreground(site)
    said = read_until(process.stderr, "plain is up")
    read_until(process.stdout, "web-1")
    status = site.status()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert any("web-1 ready" in line for line in said)
    assert nothing_runs(site)
    for row in status["instances"]:
        with pytest.raises(ProcessLookupError):
            os.kill(row["pid"], 0)


def test_the_terminal_closing_or_a_stop_while_starting_leaves_nothing(site):
    site.write(PLAIN.replace("python3", "sleep 1 && python3"))
    process = foreground(site)
    read_until(process.stderr, "web-1 started")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert nothing_runs(site)


def test_follow_goes_on_with_what_comes(site):
    site.write(PLAIN)
    site.up()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "mainstay", "logs", "-f", "-n", "0", "--json"],
        cwd=site.folder,
        env=site.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # Its own checks are logged by the service too, so something always comes.
        line = json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()

    assert set(line) == {"version", "instance", "line"}


def test_init_reads_a_procfile_and_what_it_writes_runs(site):
    (site.folder / "Procfile").write_text("web: python3 -m http.server --bind 127.0.0.1 $PORT\n")
    site.done("init")
    text = (site.folder / "mainstay.yaml").read_text()
    again = site.mainstay("init")
    (site.folder / "mainstay.yaml").write_text(text.replace("8080", str(site.port)))
    site.up()

    assert get(site)[0] == 200
    assert again.returncode == 1
    assert "left as it is" in again.stderr


@pytest.mark.parametrize("example", ["node", "python", "static"])
def test_every_example_starts_and_survives_a_kill(site, example):
    for file in (EXAMPLES / example).rglob("*"):
        if file.is_file() and ".mainstay" not in file.parts:
            target = site.folder / file.relative_to(EXAMPLES / example)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    site.env |= {f"{example.upper()}_LISTEN_PORT": str(site.port)}
    # The examples run the programs of the environment that is active, as their readers would.
    site.env["PATH"] = str(Path(sys.executable).parent) + os.pathsep + site.env["PATH"]
    site.up()
    victim = site.status()["instances"][0]
    load = site.load(rate=50)
    load.seconds(1)
    kill(victim["pid"])
    site.until(lambda status: all_up(status) and victim["pid"] not in pids(status))
    seen, _ = load.end()

    assert seen.by_method["GET"].failed == 0, seen.failures


# --- what is wrong is told, and nothing is left half-started ---

BAD = {
    "unknown key": (PLAIN + "    helth: {}\n", 3, "unknown key; did you mean health?"),
    "wrong unit": (PLAIN + "    drain: 5 parsecs\n", 3, "services.web.drain"),
    "not built yet": (PLAIN + "    queue: on\n", 3, "services.web.queue: unknown key"),
    "two listeners on one port": (
        PLAIN + "  api: { command: 'true', listen: 'http://127.0.0.1:PORT_HERE' }\n",
        3,
        "listen",
    ),
    "unreadable env file": (PLAIN + "    env_file: nope.env\n", 3, "nope.env"),
    "command not found": (
        PLAIN.replace("python3", "nonesuch"),
        6,
        "services.web.command: command not found: nonesuch",
    ),
    "command that exits at once": (
        PLAIN.replace("python3 -m http.server --bind 127.0.0.1 $PORT", "sh -c 'echo dear me >&2; exit 7'"),
        1,
        "exit code 7",
    ),
    "health path that never answers": (
        PLAIN + "    health: { path: /nope }\n    ready_within: 2s\n",
        1,
        "last health check: HTTP 404",
    ),
    "never listens": (
        PLAIN.replace("python3 -m http.server --bind 127.0.0.1 $PORT", "sleep 60") + "    ready_within: 1s\n",
        1,
        "connection refused",
    ),
}


@pytest.mark.parametrize("way", [(), ("--detach",)], ids=["foreground", "detached"])
@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_told_and_nothing_is_left(site, what, way):
    text, code, words = BAD[what]
    site.write(text)

    ran = site.mainstay("up", *way)

    assert (ran.returncode, words in ran.stderr) == (code, True), ran.stderr
    assert "Traceback" not in ran.stderr
    assert nothing_runs(site)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port), 1).close()


def test_a_command_that_exits_at_once_is_told_with_its_last_words(site):
    site.write(BAD["command that exits at once"][0])

    ran = site.mainstay("up", "--detach")

    assert "dear me" in ran.stderr


@pytest.mark.parametrize("way", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_port_in_use_is_told(site, way):
    site.write(PLAIN)
    with socket.create_server(("127.0.0.1", site.port)):
        ran = site.mainstay("up", *way)

    assert ran.returncode == 6
    assert (
        f"services.web.listen: cannot listen on 127.0.0.1:{site.port}: address already in use" in ran.stderr
    )
    assert nothing_runs(site)


def test_up_twice_is_refused_with_the_pid(site):
    site.write(PLAIN)
    site.up()

    for way in ((), ("--detach",)):
        ran = site.mainstay("up", *way)
        assert ran.returncode == 5
        assert str(site.status()["supervisor_pid"]) in ran.stderr


def test_a_run_directory_that_cannot_be_made_is_told(site):
    site.write(PLAIN)
    (site.folder / ".mainstay").write_text("in the way")

    ran = site.mainstay("up")

    assert ran.returncode == 6
    assert ".mainstay" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("down",), 4),
        (("status",), 4),
        (("restart", "web"), 4),
        (("scale", "web=2"), 4),
        (("logs",), 4),
        (("up",), 3),
        (("up", "--file", "nope.yaml"), 3),
        (("scale", "web"), 2),
        (("scale", "web=-1"), 2),
        (("nonsense",), 2),
        (("status", "--nonsense"), 2),
    ],
)
def test_with_nothing_there_every_command_says_so(site, words, code):
    ran = site.mainstay(*words)

    assert ran.returncode == code, ran.stderr
    assert ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_cannot_be_done_to_a_running_system_is_told_and_changes_nothing(site):
    site.write(PLAIN)
    site.up()
    before = site.status()["instances"]

    unknown = site.mainstay("restart", "wbe")
    none = site.mainstay("scale", "web=0")
    many = site.mainstay("scale", "web=100000")

    assert unknown.returncode == 2
    assert "did you mean 'web'?" in unknown.stderr
    assert none.returncode == many.returncode == 2
    assert "from 1 to 1000" in none.stderr
    assert [row["pid"] for row in site.status()["instances"]] == [row["pid"] for row in before]


def test_a_replacement_that_does_not_start_leaves_the_old_one_in_place(site):
    site.write(PLAIN.replace("python3", "test ! -e broken && exec python3") + "    ready_within: 2s\n")
    site.up()
    before = site.status()["instances"]
    (site.folder / "broken").touch()

    ran = site.mainstay("restart", "web")

    assert ran.returncode == 1
    assert "web-1" in ran.stderr
    assert [row["pid"] for row in site.status()["instances"]] == [row["pid"] for row in before]
    assert get(site)[0] == 200


def test_malformed_http_is_refused_and_the_service_never_sees_it(site):
    site.write(PLAIN)
    site.up()
    for raw in (
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", site.port), 5) as connection:
            connection.sendall(raw)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert answer.split(b" ", 2)[1] in (b"400", b"501"), answer
    assert "NONSENSE" not in site.done("logs").stdout


def test_an_empty_pool_is_an_honest_503_as_a_page_or_as_json(site):
    site.write(PLAIN + "    restart: off\n")
    site.up()
    for name in ("web-1", "web-2"):
        kill(site.instance(name)["pid"])
    site.until(lambda status: all(row["pid"] is None for row in status["instances"]))

    status, headers, body = get(site)
    _, page_headers, page = get(site, Accept="text/html")

    assert status == 503
    assert headers["Retry-After"] == "1"
    assert json.loads(body)["error"] == "no_instance"
    assert page_headers["Content-Type"].startswith("text/html")
    assert b"<h1>503" in page


def test_the_schema_is_a_valid_one():
    jsonschema.Draft202012Validator.check_schema(dict(json_schema()))


def test_ctrl_c_twice_does_not_wait_for_a_service_that_ignores_sigterm(site):
    stubborn = "trap '' TERM; python3 -m http.server --bind 127.0.0.1 $PORT"
    site.write(
        PLAIN.replace("python3 -m http.server --bind 127.0.0.1 $PORT", stubborn) + "    stop_timeout: 60s\n"
    )
    process = foreground(site)
    read_until(process.stderr, "plain is up")
    process.send_signal(signal.SIGINT)
    read_until(process.stderr, "stopping plain")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert nothing_runs(site)


def test_what_an_instance_started_in_a_session_of_its_own_ends_with_the_system(site):
    pid = site.folder / "pid"
    own = (
        "setsid sh -c 'echo $$$$ > pid; exec sleep 600' & exec python3 -m http.server --bind 127.0.0.1 $PORT"
    )
    site.write(PLAIN.replace("python3 -m http.server --bind 127.0.0.1 $PORT", own) + "    instances: 1\n")
    site.up()
    assert pid.exists()

    site.done("down")

    # Nobody may be there to reap it, but it has ended.
    left = procfs.stat(int(pid.read_text()))
    assert left is None or not left.alive


def test_several_services_are_restarted_in_turn_until_one_fails(site):
    quick = "    command: sleep 600\n    instances: 1\n    stop_timeout: 1s\n"
    site.write("services:\n" + "".join(f"  {name}:\n{quick}" for name in ("one", "two", "three")))
    site.write(
        (site.folder / "mainstay.yaml").read_text().replace("sleep", "test ! -e broken && exec sleep", 2)
    )
    site.up()
    pids = {row["service"]: row["pid"] for row in site.status()["instances"]}

    all_done = json.loads(site.done("restart", "three", "one", "--json").stdout)
    between = {row["service"]: row["pid"] for row in site.status()["instances"]}
    (site.folder / "broken").touch()
    failed = site.mainstay("restart", "three", "two", "one")
    after = {row["service"]: row["pid"] for row in site.status()["instances"]}
    misspelt = site.mainstay("restart", "three", "tow")

    assert [one["service"] for one in all_done["restarted"]] == ["three", "one"]
    assert {name for name in pids if pids[name] != between[name]} == {"three", "one"}
    assert failed.returncode == 1
    assert "three: every instance has been replaced" in failed.stderr
    assert "two failed; done before it: three; not begun: one" in failed.stderr
    assert after["three"] != between["three"]
    assert after["one"] == between["one"]
    assert misspelt.returncode == site.mainstay("restart", "one", "one").returncode == 2
    assert {row["service"]: row["pid"] for row in site.status()["instances"]}["three"] == after["three"]


def test_a_service_without_traffic_never_runs_twice_for_a_restart(site):
    once = "test ! -e running || touch twice; touch running; trap 'rm running; exit 0' TERM; sleep 600 & wait"
    site.write(f'services:\n  worker:\n    command: "{once}"\n    instances: 1\n')
    site.up()
    before = site.instance("worker-1")["pid"]

    site.done("restart", "worker")

    assert site.instance("worker-1")["pid"] != before
    assert not (site.folder / "twice").exists()


def test_each_file_of_a_folder_is_a_system_of_its_own(site):
    site.write(PLAIN)
    other = site.folder / "other.yaml"
    other.write_text("name: other\nservices: { job: { command: sleep 600, instances: 1 } }\n")
    site.up()
    other_up = site.done("up", "--detach", "--file", "other.yaml").stderr

    both = site.status(), json.loads(site.done("status", "--json", "--file", "other.yaml").stdout)
    site.done("down", "--file", "other.yaml")

    assert "`mainstay logs -f --file other.yaml`, `mainstay down --file other.yaml`" in other_up
    assert [status["system"] for status in both] == ["plain", "other"]
    assert site.status()["system"] == "plain"
    assert site.mainstay("status", "--file", "nope.yaml").returncode == 3
    assert "no such file" in site.mainstay("down", "--file", "nope.yaml").stderr


def test_a_changed_definition_is_told_when_a_system_is_taken_over(site):
    site.write(PLAIN)
    site.up()
    kill(site.status()["supervisor_pid"])
    site.write(PLAIN + "    env: { NEW: 'yes' }\n")

    taken = site.done("up", "--detach")
    outdated = [row["outdated"] for row in site.status()["instances"]]
    site.done("restart", "web")

    assert (
        "web still runs as the system file was before; `mainstay restart web` applies the change"
        in taken.stderr
    )
    assert outdated == [True, True]
    assert [row["outdated"] for row in site.status()["instances"]] == [False, False]


def test_a_command_run_within_an_instance_is_no_command_to_its_system(site):
    site.write(PLAIN)
    site.up()
    environ = dict(
        pair.split("=", 1)
        for pair in Path(f"/proc/{site.instance('web-1')['pid']}/environ").read_text().split("\0")
        if pair
    )

    assert "MAINSTAY_RUN_DIR" not in environ
    assert environ["MAINSTAY_INSTANCE"] == "web-1"


def test_scaling_several_services_is_refused_whole(site):
    site.write(PLAIN)
    site.up()

    for words in (("web=3", "nope=2"), ("web=3", "web=4"), ("web=3", "web=2000")):
        assert site.mainstay("scale", *words).returncode == 2
    assert len(site.status()["instances"]) == 2


def test_a_boot_may_go_on_without_a_service_that_does_not_start(site):
    site.write(PLAIN + "  bad:\n    command: sh -c 'exit 3'\n    instances: 1\n")

    strict = site.mainstay("up", "--detach")
    gone_on = site.done("up", "--detach", "--keep-going")

    assert strict.returncode == 1
    assert "bad: 0 of 1 up" in gone_on.stderr
    assert get(site)[0] == 200
