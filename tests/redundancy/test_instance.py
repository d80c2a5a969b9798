import pytest

from mainstay.base.errors import SpecError
from mainstay.redundancy.health import Health
from mainstay.redundancy.instance import Instance


def test_an_instance_is_what_it_was_told_and_nothing_has_happened_to_it():
    health = Health(None)

    instance = Instance(
        "web", "web-1", 3, "127.0.0.1", 20001, health=health, zone="a", weight=2.0, up_since=5.0
    )

    assert (instance.service, instance.name, instance.generation) == ("web", "web-1", 3)
    assert (instance.host, instance.port, instance.zone, instance.weight) == ("127.0.0.1", 20001, "a", 2.0)
    assert instance.key == ("web-1", 3)
    assert instance.health is health
    assert instance.up_since == 5.0
    assert (instance.in_flight, instance.ejected_until, instance.outlier, instance.credit) == (
        0,
        None,
        None,
        0,
    )


def test_zone_weight_and_up_since_need_not_be_told():
    instance = Instance("web", "web-1", 1, "127.0.0.1", 20001, health=Health(None))

    assert (instance.zone, instance.weight, instance.up_since) == ("", 1.0, None)


def test_a_weight_of_nothing_is_refused():
    with pytest.raises(SpecError) as refusal:
        Instance("web", "web-1", 1, "127.0.0.1", 20001, health=Health(None), weight=0)

    assert str(refusal.value) == "weight must be above 0, not 0"


def test_it_tells_who_it_is_and_how_it_is():
    instance = Instance("web", "web-1", 3, "127.0.0.1", 20001, health=Health(None))

    assert repr(instance) == "<Instance web/web-1#3 up>"


def test_it_has_no_room_for_what_it_is_not():
    instance = Instance("web", "web-1", 3, "127.0.0.1", 20001, health=Health(None))

    with pytest.raises(AttributeError):
        instance.colour = "red"
