"""The load generator: users who come whether or not the system answers.

Runs in a process of its own, so that neither a slow system nor a busy supervisor can slow it down::

    python -m mainstay.drill.load --url http://127.0.0.1:8080 --rate 300 --seconds 20 --out run.jsonl

Sends the requests of a file (`--requests`, see `mainstay.drill.load.mix`); without one it GETs `/` and POSTs orders to
`/orders`, each under an id of its own in the `X-Order-Id` header and in the JSON body. There are two populations
of connections: kept alive, and a fresh one for a share of the arrivals. Every arrival of the schedule becomes a
record; one that could not be sent has failed. Nothing is ever repeated.

Each second, and when it begins and ends, it says how it goes in one line of JSON on standard output
(`event`: `began`, `second`, `done`); times are in seconds. It exits with 0 when it could run, whatever the
system answered: judging is not its business. An interrupt ends the arrivals and keeps what was measured.

While it runs it asks an echo of its own: `lane`, in `done` and in the file's head, tells how long that took at most.
With `lag`, which is how late requests were sent, it proves that the generator itself did not stall.

`--hgrm FILE ...` sends nothing: it writes the latencies of files of records, all together, as HdrHistogram's tools
write a distribution of percentiles.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import resource
import secrets
import select
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from mainstay.base.errors import EnvironmentProblem, MainstayError, SpecError
from mainstay.base.units import format_duration, format_share, parse_duration, parse_share
from mainstay.drill.load.generator import Generator
from mainstay.drill.load.hgrm import hgrm
from mainstay.drill.load.mix import LARGEST, Mix, read_mix, shop
from mainstay.drill.load.record import Head, Record, read, write
from mainstay.drill.load.schedule import LoadSpec
from mainstay.drill.load.tally import tally
from mainstay.drill.load.target import target, trust
from mainstay.drill.loop import runner

RUN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a run may be called: it stands in headers, bodies and lines of journals."""


def _say(news: dict[str, Any], *, patience: float = 0.0) -> None:
    """Tell standard output, unless nobody reads it: to wait for a reader would stop the load."""
    with contextlib.suppress(OSError):
        out = sys.stdout.fileno()
        _, ready, _ = select.select([], [out], [], patience)
        if ready:
            os.write(out, json.dumps(news).encode() + b"\n")


def _options() -> argparse.ArgumentParser:
    default: dict[str, Any] = {field.name: field.default for field in fields(LoadSpec)}
    parser = argparse.ArgumentParser(
        prog="python -m mainstay.drill.load",
        description="Put an open-loop HTTP load on a system and write down what became of each request.",
        epilog="--hgrm FILE ... writes the latencies of files of records as HdrHistogram's tools do, and sends nothing",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--url", required=True, help="where the system listens, as in http://127.0.0.1:8080")
    parser.add_argument(
        "--host", default="", help="what Host says, if that is another; the certificate's name too"
    )
    parser.add_argument(
        "--ca", type=Path, help="certificates to trust, in place of those that the machine trusts"
    )
    parser.add_argument("--unverified", action="store_true", help="speak TLS to whoever answers")
    parser.add_argument("--requests", type=Path, help="a file of what to ask, as JSON")
    parser.add_argument("--rate", type=float, required=True, help="arrivals per second")
    parser.add_argument("--seconds", type=float, required=True, help="how long users keep coming")
    parser.add_argument("--seed", type=int, default=default["seed"], help="replays one schedule")
    parser.add_argument("--arrivals", choices=["poisson", "even"], default=default["arrivals"])
    parser.add_argument(
        "--posts", default=format_share(default["posts"]), help="share of arrivals that POST an order"
    )
    parser.add_argument(
        "--fresh",
        default=format_share(default["fresh"]),
        help="share of arrivals on a connection of their own",
    )
    parser.add_argument("--keyed", action="store_true", help="orders carry an Idempotency-Key")
    parser.add_argument(
        "--deadline",
        default=format_duration(default["deadline"]),
        help="a user's patience, from the intended start",
    )
    parser.add_argument(
        "--connections", type=int, default=default["connections"], help="kept-alive connections"
    )
    parser.add_argument(
        "--in-flight", type=int, default=default["in_flight"], help="requests that may wait at once"
    )
    parser.add_argument("--run", help="what all ids begin with; made up if not told")
    parser.add_argument("--at", type=float, help="when to begin, on the machine's monotonic clock")
    parser.add_argument(
        "--attended", action="store_true", help="end when standard input does: whoever wanted it is gone"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file of records to write")
    return parser


def _spec(told: argparse.Namespace) -> LoadSpec:
    return LoadSpec(
        rate=told.rate,
        seconds=told.seconds,
        seed=told.seed,
        arrivals=told.arrivals,
        posts=parse_share(told.posts),
        fresh=parse_share(told.fresh),
        keyed=told.keyed,
        deadline=parse_duration(told.deadline),
        connections=told.connections,
        in_flight=told.in_flight,
    )


async def _interruptible(load: Generator, begin: float | None, *, attended: bool) -> Head:
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            load.stop()

    if attended:
        loop.add_reader(0, look)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, load.stop)
    return await load.run(begin)


def _run_name(told: str | None) -> str:
    if told is None:
        return secrets.token_hex(4)
    if not RUN.fullmatch(told):
        raise SpecError(
            f"run must be one word of letters, digits, dots, dashes and underscores, not {told!r}"
        )
    return told


def _mix(told: argparse.Namespace) -> Mix:
    if told.requests is None:
        return shop(parse_share(told.posts), keyed=told.keyed)
    return read_mix(_text(told.requests, LARGEST))


def _text(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        return content.decode("utf-8-sig")
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise SpecError(f"{path} is not UTF-8 text") from problem


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be written: {problem.strerror}") from problem


def _distribution(files: list[str]) -> int:
    """Print the latencies of these files of records, all together."""
    records: list[Record] = []
    try:
        for name in files:
            try:
                with Path(name).open(encoding="utf-8") as lines:
                    records += read(lines)[1]
            except OSError as problem:
                raise EnvironmentProblem(f"{name} cannot be read: {problem.strerror}") from problem
            except SpecError as problem:
                raise SpecError(f"{name}: {problem}") from problem
    except MainstayError as problem:
        print(f"mainstay load: {problem}", file=sys.stderr)  # noqa: T201 - a command's own words
        return problem.exit_code
    print(hgrm(records), end="")  # noqa: T201 - what was asked for
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run a load as the command line tells, and give the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--hgrm"] and len(argv) > 1:
        return _distribution(argv[1:])
    told = _options().parse_args(argv)
    try:
        to = target(told.url, told.host)
        trusting = trust(to, told.ca, unverified=told.unverified)
        load = Generator(_spec(told), to, _run_name(told.run), _say, mix=_mix(told), trusting=trusting)
        # Opened first: a path that cannot be written must not cost a run.
        with _opened(told.out) as out, runner() as running:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            head = running.run(_interruptible(load, told.at, attended=told.attended))
            write(out, head, load.records)
    except MainstayError as problem:
        print(f"mainstay load: {problem}", file=sys.stderr)  # noqa: T201 - a command's own words
        return problem.exit_code
    _say({"event": "done", **tally(load.records).record(), "lane": head.lane}, patience=1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
