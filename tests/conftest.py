"""What all tests share: whatever a test starts bears a mark, so that what it leaves is found."""

import os
import tempfile

import psutil
import pytest

MARK = "MAINSTAY_TEST_RUN"


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory):
    """Let children inherit a mark and a folder for temporary files; when all is over, find what was left."""
    ours = tmp_path_factory.getbasetemp()
    temporary = ours / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, str(ours))
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr(tempfile, "tempdir", None)
        # As wherever it is installed: compiled once, and not by each of hundreds of processes.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield
    assert _processes(str(ours)) == []
    assert _listening() == []
    assert _claims() == []
    assert [path.name for path in temporary.iterdir() if "mainstay" in path.name] == []


def _processes(mark):
    left = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        # Several processes may run tests, each in a folder inside of one that is named in the first one's environment.
        mine = environ.get(MARK) == mark
        runs = environ.get("MAINSTAY_OWNER", "").startswith(f"{mark}/")
        if (mine or runs) and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            left.append(process.info)
    return left


def _listening():
    found = psutil.Process().net_connections("tcp")
    return [connection.laddr for connection in found if connection.status == psutil.CONN_LISTEN]


def _claims():
    """Give the ports for instances that this process holds."""
    found = psutil.Process().net_connections("unix")
    return [connection.laddr for connection in found if "mainstay-port-" in connection.laddr]
