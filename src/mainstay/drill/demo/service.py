"""A real HTTP service to try things on: small, honest, and able to prove what it executed.

::

    PORT=9000 JOURNAL=orders.txt python -m mainstay.drill.demo.service

========== ================================================================================
GET /      waits about 5 ms, as for a database, and tells which instance answered
POST       `/orders`: appends the order's id to the journal, works 5 ms, answers 201; with an
           `Idempotency-Key`, an order that is in the journal already is answered 200 and not done again
/healthz   200, or 503 once it has been asked to stop
========== ================================================================================

The 5 ms are waited, not computed: it stands for a service that waits on others, and leaves the processor of
a demonstration to the parts that are measured. The order is written down *before* the work and the answer, so
that an instance killed in between leaves an executed order without an answer: whoever then repeats the
order elsewhere shows up as a double in the journal.

Environment: `PORT` (required); `HOST` (127.0.0.1); `MAINSTAY_INSTANCE`, its name; `JOURNAL`, a file that gets
a line `id instance pid` per order; `BOOT=2s`, how long it takes before it listens; `WORK=5ms`.
SIGTERM: stops listening, closes idle connections, finishes what is in progress, exits 0.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from mainstay.base.errors import EnvironmentProblem, MainstayError, SpecError
from mainstay.base.units import parse_duration
from mainstay.drill.demo.server import Answer, Conversation, Request
from mainstay.drill.loop import runner

GRACE = 8.0
"""Seconds that requests in progress get after SIGTERM: below the 10 s after which supervisors kill."""
BACKLOG = 512
"""Connections the kernel holds until they are accepted: a burst must wait, not be refused."""
NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""What an order's id may look like: one word, so that it is one word of its line in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment tells the service."""

    port: int
    host: str = "127.0.0.1"
    instance: str = "service-1"
    journal: Path | None = None
    boot: float = 0.0
    """Seconds before it listens."""
    work: float = 0.005
    """Seconds that the work of a request takes: about what a page with one query takes."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment.

        Raises:
            SpecError: a variable is missing or wrong.
        """
        port = environ.get("PORT", "")
        if not port.isascii() or not port.isdigit() or not 0 <= int(port) < 2**16:
            raise SpecError(f"PORT must be a port number, not {port!r}")
        journal = environ.get("JOURNAL", "")
        return cls(
            port=int(port),
            host=environ.get("HOST", "127.0.0.1"),
            instance=environ.get("MAINSTAY_INSTANCE", "service-1"),
            journal=Path(journal) if journal else None,
            boot=parse_duration(environ.get("BOOT", "0")),
            work=parse_duration(environ.get("WORK", "5ms")),
        )


class Journal:
    """The file that proves what was executed; several processes may share it."""

    def __init__(self, path: Path | None, instance: str) -> None:
        self._tail = f" {instance} {os.getpid()}\n"
        self._file: int | None = None
        self._known: set[str] = set()
        self._read = 0
        if path is not None:
            try:
                self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as problem:
                raise EnvironmentProblem(f"journal {path} cannot be written: {problem.strerror}") from problem

    def append(self, name: str) -> None:
        """Write an order down: one write of one line, which O_APPEND keeps whole among processes."""
        if self._file is not None:
            os.write(self._file, (name + self._tail).encode())

    def append_once(self, name: str) -> bool:
        """Write an order down unless any of the processes has; tell whether it was new."""
        if self._file is None:
            return True
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._catch_up()
            if name in self._known:
                return False
            self.append(name)
            return True
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        assert self._file is not None
        while piece := os.pread(self._file, 2**16, self._read):
            whole = piece.rpartition(b"\n")[0]
            if not whole:
                return
            self._read += len(whole) + 1
            self._known.update(line.split()[0].decode() for line in whole.split(b"\n") if line)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)


class Service:
    """What the service does; knows nothing of connections but how to end them."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.stopping = False
        self.conversations: set[Conversation] = set()
        self.empty = asyncio.Event()
        self._settings = settings
        self._journal = journal
        self._instance: Mapping[str, object] = {"instance": settings.instance, "pid": os.getpid()}

    def answer(self, request: Request) -> Answer:
        """Do what a request asks."""
        route = (request.method, request.path.partition("?")[0])
        match route:
            case ("GET" | "HEAD", "/"):
                return Answer(HTTPStatus.OK, self._instance, self._settings.work)
            case ("GET" | "HEAD", "/healthz"):
                status = HTTPStatus.SERVICE_UNAVAILABLE if self.stopping else HTTPStatus.OK
                return Answer(status, self._instance)
            case ("POST", "/orders"):
                return self._order(request)
            case ("OPTIONS", _):
                return Answer(HTTPStatus.OK, self._instance, extra="Allow: GET, HEAD, POST, OPTIONS\r\n")
            case (_, "/" | "/healthz" | "/orders"):
                return self._refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{route[0]} is not for {route[1]}")
        return self._refusal(HTTPStatus.NOT_FOUND, f"{route[1]} is not here")

    def _order(self, request: Request) -> Answer:
        try:
            told = json.loads(request.body)["id"] if request.body else request.order
        except (ValueError, TypeError, KeyError):
            return self._refusal(HTTPStatus.BAD_REQUEST, 'the body must be JSON like {"id": "a1"}')
        if not isinstance(told, str) or not NAME.fullmatch(told):
            return self._refusal(HTTPStatus.BAD_REQUEST, "the id must be one word of up to 128 characters")
        if request.order and request.order != told:
            # Head and body of two different requests: somebody on the way has mixed them up.
            return self._refusal(HTTPStatus.BAD_REQUEST, "X-Order-Id and the id of the body differ")
        new = True
        if request.keyed:
            new = self._journal.append_once(told)
        else:
            self._journal.append(told)
        return Answer(
            HTTPStatus.CREATED if new else HTTPStatus.OK,
            {"id": told, **self._instance},
            self._settings.work,
            f"X-Order-Id: {told}\r\n",
        )

    def _refusal(self, status: HTTPStatus, why: str) -> Answer:
        return Answer(status, {"error": why, **self._instance})

    def stop(self) -> None:
        """Let every connection end as soon as it has nothing in progress."""
        self.stopping = True
        for conversation in list(self.conversations):
            conversation.wind_up()
        if not self.conversations:
            self.empty.set()

    def joined(self, conversation: Conversation) -> None:
        """Learn of a new connection."""
        self.conversations.add(conversation)

    def left(self, conversation: Conversation) -> None:
        """Learn that a connection is over."""
        self.conversations.discard(conversation)
        if self.stopping and not self.conversations:
            self.empty.set()


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then stop in good order.

    Raises:
        EnvironmentProblem: the port is taken, or the journal cannot be written.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    journal = Journal(settings.journal, settings.instance)
    service = Service(settings, journal)
    try:
        if await _within(asked, settings.boot):
            return
        where = f"{settings.host}:{settings.port}"
        try:
            server = await loop.create_server(
                lambda: Conversation(service), settings.host, settings.port, backlog=BACKLOG
            )
        except OSError as problem:
            raise EnvironmentProblem(f"{where} cannot be listened on: {problem.strerror}") from problem
        _say(f"{settings.instance} listens on {where}, pid {os.getpid()}")
        await asked.wait()
        server.close()
        service.stop()
        await _within(service.empty, GRACE)
        _say(f"{settings.instance} stops")
    finally:
        journal.close()


async def _within(event: asyncio.Event, limit: float) -> bool:
    """Wait for an event up to a limit in seconds, and tell whether it came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await event.wait()
    return event.is_set()


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - the log of a service is its standard output


def main(environ: Mapping[str, str]) -> int:
    """Run the service as its environment tells, and give the exit code."""
    try:
        with runner() as running:
            running.run(serve(Settings.read(environ)))
    except MainstayError as problem:
        print(f"mainstay service: {problem}", file=sys.stderr)  # noqa: T201 - a command's own words
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
