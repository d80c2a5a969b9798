from gateway.conftest import pytest_asyncio_loop_factories, rig  # noqa: F401 - pytest finds them here
