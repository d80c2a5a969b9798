"""How values of a system file are read that are sent or understood on the wire: bytes, names of protocols."""

import re
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.value import shown, text, wrong


def _wire_bytes(written: object) -> bytes:
    if isinstance(written, bytes):
        return written
    if not isinstance(written, dict):
        return text(written).encode()
    digits = written.get("hex")
    try:
        found = bytes.fromhex(digits) if isinstance(digits, str) and len(written) == 1 else b""
    except ValueError:
        found = b""
    if not found:
        raise wrong(f"must be text or {{hex: …}} with two digits for each byte, not {shown(written)}")
    return found


WireBytes = Annotated[
    bytes,
    PlainValidator(_wire_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {
                        "hex": {"type": "string", "pattern": "^ *[0-9A-Fa-f]{2}( *[0-9A-Fa-f]{2})* *$"}
                    },
                    "required": ["hex"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""Bytes of a protocol: text stands for itself in UTF-8."""


_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+(?:/[!#$%&'*+\-.^_`|~0-9a-z]+)?")
_HIDING = re.compile(r"h2c?|h3|http(?:/.*)?")


def _upgrades(written: object) -> tuple[str, ...]:
    if written == "off":
        return ()
    found: list[str] = []
    for one in written if isinstance(written, (list, tuple)) else [written]:
        if not isinstance(one, str) or not _PROTOCOL.fullmatch(one):
            raise wrong(
                f"{shown(one)} is not a protocol: allowed are off, and names in small letters as in websocket"
            )
        if _HIDING.fullmatch(one):
            raise wrong(
                f"{one} cannot be allowed: requests would come through it that the gateway does not see"
            )
        found.append(one)
    return tuple(dict.fromkeys(found))


Upgrades = Annotated[
    tuple[str, ...],
    PlainValidator(_upgrades),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "off"},
                {"type": "string", "pattern": f"^{_PROTOCOL.pattern}$"},
                {"type": "array", "items": {"type": "string", "pattern": f"^{_PROTOCOL.pattern}$"}},
            ]
        }
    ),
]
"""Names of protocols that a connection may go over to (RFC 9110 §7.8)."""
