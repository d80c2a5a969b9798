"""What all tests share: everything that a test starts bears a mark, so that what it leaves is found."""

import os
import tempfile
from pathlib import Path

import pytest

MARK = "MAINSTAY_TEST_RUN"


@pytest.fixture(scope="session", autouse=True)
def test_run(tmp_path_factory):
    """Mark the environment that all children inherit, and give the mark."""
    mark = str(tmp_path_factory.getbasetemp())
    os.environ[MARK] = mark
    yield mark
    del os.environ[MARK]


@pytest.fixture(scope="session", autouse=True)
def temporary_files():
    """Give the names of what was in the folder for temporary files before the tests."""
    return {path.name for path in Path(tempfile.gettempdir()).iterdir()}


def pytest_collection_modifyitems(items):
    """Look for what was left behind when everything else has run."""
    items.sort(key=lambda item: item.path.name == "test_nothing_left_behind.py")
