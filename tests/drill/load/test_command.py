"""The command, in a process of its own, against the bundled service."""

import json
import signal
import subprocess
import sys
import time

import pytest

from mainstay.drill.load.command import main
from mainstay.drill.load.mix import Errand, write_mix
from mainstay.drill.load.record import read
from mainstay.drill.load.tally import Fault, orders, tally

LOAD = [sys.executable, "-m", "mainstay.drill.load"]


def command(port, out, *more):
    return [*LOAD, "--url", f"http://127.0.0.1:{port}", "--out", str(out), *more]


def events(words):
    return [json.loads(line) for line in words.splitlines()]


def test_a_load_is_told_live_and_written_down(service, start, tmp_path):
    one = service(JOURNAL=tmp_path / "j")
    out = tmp_path / "out.jsonl"
    load = start(command(one.port, out, "--rate", "200", "--seconds", "1.5", "--posts", "50%", "--run", "x"))

    words, _ = load.process.communicate(timeout=20)

    told = events(words)
    head, records = read(out.read_text().splitlines())
    assert load.process.returncode == 0
    assert [news["event"] for news in told] == ["began", "second", "done"]
    assert told[0]["run"] == head.run == "x"
    assert told[-1]["sent"] == told[0]["arrivals"] == len(records)
    assert told[-1]["failed"] == 0
    done = orders(records, (tmp_path / "j").read_text().splitlines())
    assert done.acknowledged == done.executed == sum(record.method == "POST" for record in records) > 0
    assert (done.twice, done.lost, done.strange) == ([], [], [])


def test_the_requests_of_a_file_are_sent_under_the_name_that_is_told(service, start, tmp_path):
    one = service(JOURNAL=tmp_path / "j")
    out, asked = tmp_path / "out.jsonl", tmp_path / "requests.json"
    order = Errand(
        method="POST", path="/orders", headers={"X-Order-Id": "{id}"}, body='{"id":"{id}"}', writes=True
    )
    asked.write_text(write_mix([Errand(method="GET", path="/"), order]))
    told = ("--rate", "200", "--seconds", "0.5", "--requests", str(asked), "--host", "shop.example")

    load = start(command(one.port, out, *told))
    words, _ = load.process.communicate(timeout=20)

    done = events(words)[-1]
    head, records = read(out.read_text().splitlines())
    assert set(done["by_route"]) == {"GET /", "POST /orders"}
    assert done["failed"] == 0
    assert done["lane"] == head.lane
    assert head.lane["asked"] > 10
    assert orders(records, (tmp_path / "j").read_text().splitlines()).lost == []


def test_a_killed_service_is_an_outage_of_just_its_absence(service, start, tmp_path):
    one = service(JOURNAL=tmp_path / "j")
    out = tmp_path / "out.jsonl"
    load = start(command(one.port, out, "--rate", "200", "--seconds", "2.5", "--deadline", "2s"))
    began = json.loads(load.line())["monotonic"]
    time.sleep(max(0, began + 0.8 - time.monotonic()))

    gone = time.monotonic() - began
    one.end(signal.SIGKILL)
    service(JOURNAL=tmp_path / "j", PORT=one.port)
    back = time.monotonic() - began
    load.process.communicate(timeout=20)

    _, records = read(out.read_text().splitlines())
    seen = tally(records, [Fault(gone, back)])
    # A request that was on its way when the process died may have begun a moment before.
    assert gone - 0.1 < seen.longest_outage.began < gone + 0.1
    assert seen.longest_outage.ended < back + 0.1
    assert seen.before.failed <= 10
    assert seen.after.failed == 0
    assert set(seen.failures) <= {"refused", "reset", "truncated"}
    assert seen.by_method["POST"].failed > 0
    done = orders(records, (tmp_path / "j").read_text().splitlines())
    assert (done.twice, done.lost) == ([], [])


def test_an_interrupt_keeps_what_was_measured(service, start, tmp_path):
    one = service()
    out = tmp_path / "out.jsonl"
    load = start(command(one.port, out, "--rate", "100", "--seconds", "600"))
    while json.loads(load.line())["event"] != "second":
        pass

    code, words = load.end(signal.SIGINT)

    _, records = read(out.read_text().splitlines())
    assert code == 0
    assert events(words)[-1]["sent"] == len(records) > 50


def test_a_load_whose_owner_is_gone_ends(service, tmp_path):
    one = service()
    out = tmp_path / "out.jsonl"
    load = subprocess.Popen(
        command(one.port, out, "--rate", "100", "--seconds", "600", "--attended"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        while json.loads(load.stdout.readline())["event"] != "second":
            pass

        load.stdin.close()

        assert load.wait(timeout=20) == 0
        assert len(read(out.read_text().splitlines())[1]) > 50
    finally:
        load.kill()
        load.wait()
        load.stdout.close()


def test_a_reader_that_does_not_read_does_not_stop_the_load(service, start, tmp_path):
    one = service()
    load = start(command(one.port, tmp_path / "out.jsonl", "--rate", "50", "--seconds", "1.2"))
    load.process.stdout.close()

    code = load.process.wait(timeout=20)

    assert code == 0
    assert len(read((tmp_path / "out.jsonl").read_text().splitlines())[1]) > 20


def test_several_loads_can_begin_together(service, start, tmp_path):
    one = service()
    at = str(time.monotonic() + 1.5)
    told = ("--rate", "50", "--seconds", "0.2", "--at", at)
    loads = [start(command(one.port, tmp_path / f"{name}.jsonl", *told)) for name in "ab"]

    for load in loads:
        load.process.communicate(timeout=20)

    heads, runs = zip(*(read((tmp_path / f"{n}.jsonl").read_text().splitlines()) for n in "ab"), strict=True)
    assert [head.monotonic for head in heads] == [float(at)] * 2
    assert heads[0].run != heads[1].run
    assert [record.outcome for record in runs[0] + runs[1]] == ["ok"] * (len(runs[0]) + len(runs[1]))
    assert sorted(record.at for record in runs[0]) == sorted(record.at for record in runs[1])


@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        (["--rate", "0"], 3, "rate must be above 0, not 0.0"),
        (["--posts", "20"], 3, "'20' has no unit"),
        (["--deadline", "5"], 3, "'5' has no unit"),
        (["--url", "ftp://x"], 3, "url must be like http://127.0.0.1:8080, not 'ftp://x'"),
        (["--run", "two words"], 3, "run must be one word"),
        (["--requests", "/nowhere/asked"], 6, "/nowhere/asked cannot be read: No such file or directory"),
        (["--requests", "/dev/null"], 3, "not a file of requests"),
        (["--host", "a b"], 3, "host must be a name"),
        (
            ["--url", "https://127.0.0.1:1", "--ca", "/nowhere/ca"],
            6,
            "/nowhere/ca has no certificates to trust",
        ),
        (["--out", "/nowhere/out"], 6, "/nowhere/out cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_with_an_exit_code(capsys, tmp_path, wrong, code, message):
    told = ["--url", "http://127.0.0.1:1", "--rate", "1", "--seconds", "1", "--out", str(tmp_path / "out")]

    assert main(told + wrong) == code

    assert message in capsys.readouterr().err


@pytest.mark.e2e
def test_two_thousand_requests_a_second_are_all_sent(service, start, tmp_path):
    one = service()
    load = start(
        command(one.port, tmp_path / "out.jsonl", "--rate", "2000", "--seconds", "1", "--deadline", "30s")
    )

    words, _ = load.process.communicate(timeout=60)

    # How punctually is measured by `python -m benchmarks load`: this machine may be busy with other tests.
    done = events(words)[-1]
    assert done["sent"] == pytest.approx(2000, rel=0.1)
    assert done["failed"] == 0
