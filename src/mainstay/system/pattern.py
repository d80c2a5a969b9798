"""Which requests are meant, and where they are sent instead: hosts, paths and the URLs of redirects."""

import re
from ipaddress import IPv6Address
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.value import shown, wrong

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_HOST = re.compile(rf"(?:\*\.)?{_NAME}")
_LITERAL = re.compile(r"\[([0-9a-f:.]+)\]")
_LONGEST = 253
# pchar of RFC 3986 §3.3 without `;`, which some take for an end, and `%` for what is no delimiter only.
_SEGMENT = r"(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%20|%[89A-Fa-f][0-9A-Fa-f])+"
_PREFIX = re.compile(rf"/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?")
_DOTS = re.compile(r"/\.\.?(?:/|\Z)")
_ESCAPE = re.compile(r"%..")
_URL = re.compile(rf"(?:https?://(?:{_NAME}|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?)?(?:/(?![/\\])[!-~]*)?")


def _host(written: object) -> str:
    if isinstance(written, str) and (literal := _LITERAL.fullmatch(written)):
        try:
            # One of the many ways to write it (RFC 5952).
            return f"[{IPv6Address(literal[1])}]"
        except ValueError:
            pass
    if not isinstance(written, str) or not _HOST.fullmatch(written) or len(written) > _LONGEST:
        raise wrong(
            f"{shown(written)} is not a host: write a name in small letters without a port, as in shop.example, "
            "or *.shop.example for all names that end in .shop.example"
        )
    return written


HostPattern = Annotated[
    str,
    PlainValidator(_host),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^(?:{_HOST.pattern}|{_LITERAL.pattern})$",
            "examples": ["shop.example"],
        }
    ),
]
"""A host (RFC 1123 §2.1), or all that have one or more labels before it."""


def _prefix(written: object) -> str:
    if not isinstance(written, str) or not written.startswith("/"):
        raise wrong(f"must be a path that begins with /, as in /api, not {shown(written)}")
    if _DOTS.search(written) or not _PREFIX.fullmatch(written):
        raise wrong(
            f"{shown(written)} is no path that everybody reads alike: allowed are segments of letters, digits and "
            "-._~!$&'()*+,=:@, and %20 or %80 to %FF for others; no empty one, no . and no .."
        )
    return _ESCAPE.sub(lambda escape: escape[0].upper(), written)


PathPrefix = Annotated[
    str,
    PlainValidator(_prefix),
    WithJsonSchema({"type": "string", "pattern": f"^{_PREFIX.pattern}$", "examples": ["/api"]}),
]
"""What a path begins with."""


def _url(written: object) -> str:
    if not isinstance(written, str) or not written or not _URL.fullmatch(written):
        raise wrong(
            f"{shown(written)} is not where one can be sent: write a URL, as in https://shop.example, or a path, "
            "as in /new"
        )
    return written


Elsewhere = Annotated[
    str,
    PlainValidator(_url),
    WithJsonSchema({"type": "string", "pattern": f"^{_URL.pattern}$", "examples": ["https://shop.example"]}),
]
"""Where a client is sent: a URL, or a path of the same host."""

STATUSES = (301, 302, 307, 308)


def _status(written: object) -> int:
    if isinstance(written, bool) or not isinstance(written, int) or written not in STATUSES:
        raise wrong(f"found {shown(written)}, allowed: {', '.join(map(str, STATUSES))}")
    return written


RedirectStatus = Annotated[int, PlainValidator(_status), WithJsonSchema({"enum": list(STATUSES)})]
"""How a client is sent elsewhere (RFC 9110 §15.4)."""
