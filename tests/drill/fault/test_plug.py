"""Faults that other packages bring, as a package in a folder of its own does."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drill.fault.conftest import Holder, until
from mainstay.base.errors import SystemFileError
from mainstay.drill.cell import cells
from mainstay.drill.fault.intent import undo_left
from mainstay.drill.fault.kind import KINDS
from mainstay.drill.fault.plug import kinds
from mainstay.system.load import load

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "write-your-own-fault.md"
NAME = "cache-read-only"
SYSTEM = """\
services: { web: { command: run, listen: "http://127.0.0.1:1" } }
drills: { expect: [{ fault: FAULT, target: web, failed: 1% }] }
"""
Bring = Callable[..., None]


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Install a package with the how-to page's code, or other code, for this test and what it starts."""
    site = tmp_path / "site"

    def brought(code: str | None = None, entries: str = f"{NAME} = shop_faults:fault") -> None:
        page = PAGE.read_text(encoding="utf-8")
        if code is None:
            code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0].replace(
                "/var/cache/shop", str(tmp_path)
            )
        about = site / "shop_faults-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-faults\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[mainstay.faults]\n{entries}\n")
        (site / "shop_faults.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", str(site))

    yield brought
    tmp_path.chmod(0o755)
    sys.modules.pop("shop_faults", None)


def held(holder: Callable[..., Holder], folder: Path, **more: Any) -> Holder:
    told = {"target": "web", "service": "web", "seed": 1}
    return holder("plugged", "web-1", fault=NAME, site=told, parameters={"folder": str(folder)}, **more)


def test_the_fault_of_the_how_to_page_stands_beside_ours(bring: Bring, tmp_path: Path) -> None:
    bring()
    (tmp_path / "mainstay.yaml").write_text(SYSTEM.replace("FAULT", NAME))
    troubles: list[str] = []

    system = load(tmp_path / "mainstay.yaml", {})
    names = [cell.name for cell in cells(system, kinds(troubles.append))]

    assert f"{NAME}@web" in names
    assert "kill@web" in names
    assert system.drills.expected(NAME, ["web"]).failed == 0.01
    assert troubles == []


def test_it_is_undone_when_nobody_wants_it_any_more(
    bring: Bring, holder: Callable[..., Holder], tmp_path: Path
) -> None:
    bring()
    hold = held(holder, tmp_path)

    said = hold.heard()

    assert (said["event"], said["evidence"]) == ("held", f"{tmp_path} has mode 555")
    hold.let_go()
    assert (hold.heard()["left"], tmp_path.stat().st_mode & 0o777) == ([], 0o755)
    assert hold.process.wait() == 0
    assert not hold.intent.exists()


def test_it_is_undone_by_who_comes_next_when_its_holder_was_killed(
    bring: Bring, holder: Callable[..., Holder], tmp_path: Path
) -> None:
    (intents := tmp_path / "intents").mkdir()
    bring()
    hold = held(holder, tmp_path)
    assert hold.heard()["event"] == "held"
    hold.end()
    hold.intent.rename(intents / hold.intent.name)

    done, left = undo_left(intents)

    assert (done, left) == ([f"{NAME} at web-1"], [])
    assert tmp_path.stat().st_mode & 0o777 == 0o755


RAISES = """\
from pathlib import Path
class Fault:
    def injection(self, site): return self
    async def prepare(self): print("not news")
    async def begin(self): raise OSError("no such cache")
    async def renew(self): pass
    async def end(self): pass
fault = Fault()
"""


def test_what_it_raises_is_why_the_fault_did_not_act(
    bring: Bring, holder: Callable[..., Holder], tmp_path: Path
) -> None:
    bring(RAISES)
    hold = held(holder, tmp_path)

    said = hold.heard()

    assert said == {"event": "failed", "why": "OSError: no such cache"}
    assert until(lambda: hold.process.poll() is not None, "it ends")


@pytest.mark.parametrize(
    ("code", "entries", "told"),
    [
        ("import nothing_like_it", "x = shop_faults:fault", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("raise SystemExit(3)", "x = shop_faults:fault", "SystemExit: 3"),
        ("", "x = shop_faults:fault", "AttributeError: module 'shop_faults' has no attribute 'fault'"),
        ("fault = 3", "x = shop_faults:fault", "must have a `kind`, which is a Kind, and a method `injection`"),
        (None, "x = shop_faults:fault", "its kind is called 'cache-read-only'; allowed: the entry point's own name"),
        (None, f"{NAME} = shop_faults:fault\n[other]", None),
    ],
)  # fmt: skip
def test_a_broken_one_is_told_in_a_line_and_the_others_are_there(
    bring: Bring, code: str | None, entries: str, told: str | None
) -> None:
    bring(code, entries)
    troubles: list[str] = []

    found = kinds(troubles.append)

    assert set(KINDS) <= set(found)
    assert len(troubles) == (told is not None)
    if told is not None:
        assert troubles[0].startswith("the fault 'x' of shop-faults cannot be used: ")
        assert told in troubles[0]
        assert "\n" not in troubles[0]


def test_a_name_that_nobody_brings_is_a_mistake_in_the_system_file(tmp_path: Path) -> None:
    (tmp_path / "mainstay.yaml").write_text(SYSTEM.replace("FAULT", "cache-read-onyl"))

    with pytest.raises(SystemFileError, match="found 'cache-read-onyl', allowed: kill"):
        load(tmp_path / "mainstay.yaml", {})
