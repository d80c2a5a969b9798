import pytest

from mainstay.system.compose.plan import composed
from mainstay.system.compose.project import read_project


@pytest.fixture
def compose(tmp_path):
    """Read a text as a Compose file; other files may be written beside it before."""

    def read(text, profiles=(), **environ):
        file = tmp_path / "compose.yaml"
        file.write_text(text)
        return composed(read_project(file, environ), profiles)

    return read
