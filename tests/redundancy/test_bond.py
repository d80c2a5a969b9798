import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.redundancy.bond import Bond, Hashed, Named
from mainstay.redundancy.health import Health
from mainstay.redundancy.instance import Instance


def member(name, generation=1):
    return Instance("web", name, generation, "127.0.0.1", 1, health=Health(None))


def test_a_name_ties_to_the_instance_of_that_name_whatever_its_life():
    members = [member("a"), member("b", generation=7)]

    assert Named("b").choose(members) is members[1]
    assert Named("c").choose(members) is None


def test_equal_values_are_tied_to_the_same_instance():
    members = [member("a"), member("b"), member("c")]

    assert {Hashed(b"ada").choose(members).name for _ in range(9)} == {
        Hashed(b"ada").choose(members[::-1]).name
    }
    assert Hashed(b"ada").choose([]) is None


def test_an_instance_keeps_its_values_in_its_next_life():
    first, second = [member("a"), member("b")], [member("a", 2), member("b", 2)]

    assert all(
        Hashed(b"%d" % n).choose(first).name == Hashed(b"%d" % n).choose(second).name for n in range(50)
    )


@given(st.binary(), st.binary())
def test_only_equal_ties_have_one_key(one, other):
    assert (Hashed(one).key == Hashed(other).key) is (one == other)
    assert Hashed(one).key != Named("a").key


def test_a_bond_as_such_prefers_nobody():
    with pytest.raises(NotImplementedError):
        Bond("a").choose([])
