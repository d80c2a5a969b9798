"""A file system that is filled: a small one, mounted where only the one who fills it sees it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from drill.fault.conftest import Holder, until

SIZE = 256 * 2**10
MOUNTED = (
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    f'mount -t tmpfs -o size={SIZE} none "$0" && exec "$@"',
)
Fill = Callable[[int], Holder]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "data").mkdir()
    return made


@pytest.fixture
def fill(folder: Path, holder: Callable[..., Holder]) -> Fill:
    def filled(most: int) -> Holder:
        parameters = {"folder": str(folder), "most": most}
        return holder("disk", "web", within=(*MOUNTED, str(folder)), lease=30.0, parameters=parameters)

    return filled


def seen(hold: Holder, folder: Path) -> Path:
    """Give the folder as the holder sees it."""
    return Path(f"/proc/{hold.process.pid}/root{folder}")


def test_a_full_file_system_takes_nothing_more_until_it_is_over(fill: Fill, folder: Path) -> None:
    hold = fill(2**20)

    said = hold.heard()

    assert said.get("evidence") == f"{folder}: 0 bytes free"
    inside = seen(hold, folder)
    with pytest.raises(OSError, match="No space left") as full:
        (inside / "order").write_bytes(b"one")
    assert full.value.errno == errno.ENOSPC
    (file,) = inside.glob(".mainstay-drill-*")
    assert file.stat().st_size == SIZE
    hold.process.terminate()
    assert hold.heard()["left"] == []
    assert hold.process.wait() == 0


def test_one_with_more_room_than_a_drill_takes_is_left_alone(fill: Fill, folder: Path) -> None:
    hold = fill(SIZE - 1)

    said = hold.heard()

    assert said == {
        "event": "failed",
        "why": f"{folder} has {SIZE} bytes free, above the {SIZE - 1} that a drill takes",
    }
    until(lambda: hold.process.poll() is not None, "it ends")
    assert not hold.intent.exists()
