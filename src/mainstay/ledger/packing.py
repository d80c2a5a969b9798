"""Histograms in few bytes: most buckets are empty, and most counts are small.

Bucket and count of each that is not empty, as variable-length integers (LEB128), buckets as the distance to the one before.
"""

from collections.abc import Mapping

from mainstay.base.errors import EngineError

_MORE = 0x80
_BITS = 7
_LOW = 0x7F


def packed(histogram: Mapping[int, int]) -> bytes | None:
    """Write a histogram; None for an empty one.

    Args:
        histogram: Counts above 0, by buckets from 0.
    """
    out = bytearray()
    before = 0
    for bucket in sorted(histogram):
        if histogram[bucket]:
            _write(out, bucket - before)
            _write(out, histogram[bucket])
            before = bucket
    return bytes(out) or None


def unpacked(written: bytes | None) -> dict[int, int]:
    """Read what `packed` wrote.

    Raises:
        EngineError: it is not that.
    """
    found: dict[int, int] = {}
    bucket, value, shift, distance = 0, 0, 0, -1
    for byte in written or b"":
        if byte >= _MORE:
            value |= (byte & _LOW) << shift
            shift += _BITS
            continue
        value |= byte << shift
        if distance < 0:
            distance = value
        else:
            bucket += distance
            found[bucket] = value
            distance = -1
        value = shift = 0
    if shift or distance >= 0:
        raise EngineError("the ledger has a histogram that ends in the middle")
    return found


def _write(out: bytearray, value: int) -> None:
    while value > _LOW:
        out.append(value & _LOW | _MORE)
        value >>= _BITS
    out.append(value)
