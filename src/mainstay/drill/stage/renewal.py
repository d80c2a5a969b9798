"""A certificate that nears its end, and is renewed in time: warned of, and taken up under load."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mainstay.drill.fault.certificate import ENDING, RENEWED
from mainstay.drill.fault.grip import Failed
from mainstay.drill.stage.stage import Stage

FACT = "CertificateNearedExpiry"
_DAY = 86400.0
_PATIENCE = 15.0
_LOOK = 0.1


async def renewed(stage: Stage) -> str:
    """Have all certificates that a copy shows be about to end, then renew them, and give the evidence.

    Raises:
        Failed: the system did not warn, or new connections did not get the new ones.
        MainstayError: it does not answer.
    """
    made, began = stage.certificates, time.time()
    await asyncio.to_thread(made.renew, ENDING)
    await _until(lambda: _told(stage, began), "it does not tell that its certificates are about to end")
    await asyncio.to_thread(made.renew, RENEWED)
    changed = time.monotonic()
    await _until(lambda: _shown(stage), "new connections do not get the renewed certificates")
    count = len(made.made)
    return (
        f"{count} certificate{'s' * (count > 1)} had {ENDING} day left, which was told; the renewed"
        f" {'ones were' if count > 1 else 'one was'} shown {time.monotonic() - changed:.1f} s later"
    )


async def _told(stage: Stage, since: float) -> bool:
    keys = {row["key"] for row in await _rows(stage)}
    facts = await stage.facts()
    return keys <= {fact["key"] for fact in facts if fact["fact"] == FACT and fact["at"] >= since}


async def _shown(stage: Stage) -> bool:
    """Tell whether the supervisor has all of them, and every entry shows one of them."""
    if any(row["until"] < time.time() + RENEWED / 2 * _DAY for row in await _rows(stage)):
        return False
    new = {ssl.PEM_cert_to_DER_cert(_first(one.file.read_text("ascii"))) for one in stage.certificates.made}
    ports = [each.listener.port for each in stage.system.openings().values() if each.entrance.tls is not None]
    return all([await asyncio.to_thread(_shows, port) in new for port in ports])


async def _rows(stage: Stage) -> list[dict[str, Any]]:
    """Give what is told of the certificates that listeners show."""
    mine = tuple(f"{each.key.rpartition('.')[0]}.tls" for each in stage.system.openings().values())
    return [row for row in (await stage.status())["certificates"] if row["key"].startswith(mine)]


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[: pem.index(end) + len(end)]


def _shows(port: int) -> bytes:
    with contextlib.suppress(OSError):
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=2.0))
    return b""


async def _until(holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not await holds():
        if time.monotonic() > end:
            raise Failed(otherwise)
        await asyncio.sleep(_LOOK)
