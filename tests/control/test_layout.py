from pathlib import Path

import pytest

from mainstay.control.layout import settings
from mainstay.gateway.table import Trust
from mainstay.redundancy.pool import PoolSpec
from mainstay.system.schema import Service
from mainstay.tolerance.key import KeySpec

SERVICE = Service(command="run", listen="http://127.0.0.1:1")


def test_without_a_zone_of_the_gateway_all_zones_are_the_same():
    assert settings("web", SERVICE, "", Trust()).pool == PoolSpec()


def test_traffic_prefers_the_zone_that_the_gateway_is_in():
    assert settings("web", SERVICE, "", Trust(), "a").pool == PoolSpec(zone="a")


@pytest.mark.parametrize(
    ("written", "keyed", "keys"),
    [
        ("off", False, None),
        ("service", True, None),
        ("gateway", False, KeySpec()),
        ({}, False, KeySpec()),
        (
            {"keep": "1h", "answer": "1KiB", "body": "2KiB", "size": "3MiB"},
            False,
            KeySpec(keep=3600.0, answer=1024, body=2048, size=3 * 2**20),
        ),
    ],
)
def test_keys_are_known_by_the_service_or_the_gateway_or_nobody(written, keyed, keys):
    service = Service(command="run", listen="http://127.0.0.1:1", idempotency=written)

    made = settings("web", service, "", Trust(), key_store=Path("/run/keys/web.db"))

    assert (made.keyed, made.keys) == (keyed, keys)
    assert made.key_store == ("/run/keys/web.db" if keys else "")
