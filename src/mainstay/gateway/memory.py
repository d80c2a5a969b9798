"""How a worker's process keeps its memory: what pays off where a thousand requests a second come and go."""

import contextlib
import ctypes
import gc

_KEPT = 16 * 2**20
"""Bytes of free memory that are kept at most, rather than given back to be asked for again."""
_APART = 4 * 2**20
"""Bytes of a block from which on it is asked for, and given back, by itself."""
# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def prepare() -> None:
    """Set up collector and allocator; done once, when everything has been imported."""
    # What a request is made of goes when it ends: nothing is left in circles, so that looking for some
    # every few requests is time lost. What is there already is left out of the search for good.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # A piece of a body has up to 256 KB. By itself glibc gives such a block back each time, and the kernel has to
    # find and clear the pages of the next: a third of what it costs to pass on a large body.
    with contextlib.suppress(AttributeError, OSError):  # not everybody's library has it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _APART)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
