from mainstay.control.layout import settings
from mainstay.gateway.table import Trust
from mainstay.redundancy.pool import PoolSpec
from mainstay.system.schema import Service

SERVICE = Service(command="run", listen="http://127.0.0.1:1")


def test_without_a_zone_of_the_gateway_all_zones_are_the_same():
    assert settings("web", SERVICE, "", Trust()).pool == PoolSpec()


def test_traffic_prefers_the_zone_that_the_gateway_is_in():
    assert settings("web", SERVICE, "", Trust(), "a").pool == PoolSpec(zone="a")
