"""Which writes were carried out, as the service itself tells: from a file, or by a request of its own."""

import asyncio
import http.client
import ssl
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from mainstay.base.errors import EnvironmentProblem
from mainstay.drill.load.record import Record
from mainstay.drill.load.tally import Orders, orders
from mainstay.drill.load.visit import Visit
from mainstay.system.drills import Journal

LARGEST = 256 * 2**20
"""Bytes of a journal that are read at most: some millions of writes."""
PATIENCE = 10.0
"""Seconds for a request to be answered as it should: what serves the journal may be what was broken just now."""
_AGAIN = 0.2
_LIMIT = 10.0
_OK = 200
_THEIRS = 500


class _NotYet(EnvironmentProblem):
    """It could not be read, and may be a moment later."""


async def compared(
    journal: Journal,
    folder: Path,
    visits: Sequence[Visit],
    records: Iterable[Record],
    patience: float = PATIENCE,
) -> Orders:
    """Give what became of the writes among the records of a drill.

    Args:
        journal: Where the service tells.
        folder: What a file of it is relative to.
        visits: Where users come in; a request goes where the first one with writes does.
        records: Of all users.
        patience: Seconds in which a request that is not answered, or with 5xx, is sent again.

    Raises:
        EnvironmentProblem: the journal cannot be read.
    """
    told = list(records)
    mine = {record.id for record in told if record.writes}
    lines = await _in_time(journal, folder, visits, time.monotonic() + patience)
    # There may be others' in it, also of former drills.
    return orders(told, (line for line in lines if line.partition(" ")[0] in mine))


async def _in_time(journal: Journal, folder: Path, visits: Sequence[Visit], until: float) -> list[str]:
    while True:
        try:
            return await asyncio.to_thread(_read, journal, folder, visits)
        except _NotYet:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(_AGAIN)


def _read(journal: Journal, folder: Path, visits: Sequence[Visit]) -> list[str]:
    if journal.file is not None:
        return _of_file(folder / journal.file)
    visit = next((one for one in visits if any(errand.writes for errand in one.mix)), visits[0])
    return _of_request(visit, journal.request.partition(" ")[2])


def _of_file(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _bounded(file.read(LARGEST + 1), str(path))
    except FileNotFoundError:
        return []  # nothing was carried out as yet
    except OSError as problem:
        raise EnvironmentProblem(
            f"drills.load.journal: cannot read '{path}': {(problem.strerror or str(problem)).lower()}"
        ) from problem


def _of_request(visit: Visit, path: str) -> list[str]:
    parts = urlsplit(visit.entry.url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        # Our own listener on this machine, as for the load.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        made: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=_LIMIT, context=context
        )
    else:
        made = http.client.HTTPConnection(host, parts.port, timeout=_LIMIT)
    try:
        made.request("GET", path, headers={"Host": visit.entry.host, "User-Agent": "mainstay-load"})
        answer = made.getresponse()
        said = answer.read(LARGEST + 1)
    except (OSError, http.client.HTTPException) as problem:
        raise _NotYet(f"drills.load.journal: GET {path}: {problem}") from problem
    finally:
        made.close()
    if answer.status != _OK:
        kind = _NotYet if answer.status >= _THEIRS else EnvironmentProblem
        raise kind(f"drills.load.journal: GET {path} was answered with {answer.status}")
    return _bounded(said.decode("utf-8", errors="replace"), f"GET {path}")


def _bounded(text: str, where: str) -> list[str]:
    if len(text) > LARGEST:
        raise EnvironmentProblem(f"drills.load.journal: {where} has more than {LARGEST} bytes")
    return text.splitlines()
