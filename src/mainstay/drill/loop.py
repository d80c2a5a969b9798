"""The event loop for a process of its own: uvloop where there is one, as users of it would choose."""

import asyncio


def runner() -> asyncio.Runner:
    """Give what runs a coroutine to its end on the fastest loop there is."""
    try:
        import uvloop  # noqa: PLC0415 - without it things are slower, not useless
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
