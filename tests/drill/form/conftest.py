"""Reports to write in every form."""

import copy

import pytest

import matrices


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return matrices.shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def made(shop):
    return matrices.mixed(shop)


@pytest.fixture
def mixed(made):
    """A report with every verdict that a run can have, but for those of cells that were not played."""
    return copy.deepcopy(made)


@pytest.fixture
def hostile(mixed):
    """The same, in which every text of a stranger tries to be more than text."""
    said = "</title><script>alert(1)</script> | `x` ]]> \x00\x1b[31m <!-- @everyone\n\n# head & \"q\" 'a'"
    for row in mixed["cells"]:
        names = ("fault", "target", "title", "because", "expected", "confirmed", "reproduce")
        row.update(dict.fromkeys((*names, "accepted", "aborted"), said))
        row.update(breaks=[said], failures={said: 1})
        row["timeline"] = {said: next(iter(row["timeline"].values()))}
    return mixed | {"system": said, "file": said}
