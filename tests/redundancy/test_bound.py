import pytest

from mainstay.base.errors import SpecError
from mainstay.redundancy.bound import above, at_least, between, one_of


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: above("attempts", 0, 0), "attempts must be above 0, not 0"),
        (lambda: above("every", -0.5, 0), "every must be above 0, not -0.5"),
        (lambda: above("every", float("nan"), 0), "every must be above 0, not nan"),
        (lambda: at_least("cap", 0.5, 1.0), "cap must be at least 1, not 0.5"),
        (lambda: at_least("cap", float("nan"), 0), "cap must be at least 0, not nan"),
        (lambda: between("share", 1.5, 0, 1), "share must be from 0 to 1, not 1.5"),
        (lambda: between("share", -0.1, 0, 1), "share must be from 0 to 1, not -0.1"),
        (lambda: between("share", float("nan"), 0, 1), "share must be from 0 to 1, not nan"),
        (lambda: one_of("jitter", "half", ("full", "none")), "jitter must be one of full, none, not half"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_found_and_what_is_allowed(check, message):
    with pytest.raises(SpecError) as refusal:
        check()

    assert str(refusal.value) == message


def test_what_just_reaches_its_bound_is_taken():
    above("attempts", 1e-9, 0)
    at_least("cap", 1.0, 1.0)
    between("share", 0.0, 0, 1)
    between("share", 1.0, 0, 1)
    one_of("jitter", "full", ("full", "none"))
