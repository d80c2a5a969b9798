"""Certificates that are made for a drill."""

import shutil
import time
from pathlib import Path

import pytest

from mainstay.drill.fault.certificate import certificates
from mainstay.system.certificate import read_pair
from mainstay.system.load import load
from mainstay.system.schema import System
from mainstay.system.twin import Own, copy
from pki import Authority

SYSTEM = """\
listeners:
  main: { at: "https://127.0.0.1:1", tls: { certificates: [{ cert: shop.crt, key: shop.key }, { cert: in/one.pem, key: in/one.pem }] } }
  plain: { at: "http://127.0.0.1:2" }
services:
  web: { command: run, listen: main }
  own: { command: run, listen: "https://127.0.0.1:3", tls: { cert: ./shop.crt, key: shop.key } }
  back: { command: run, listen: plain, upstream_tls: { cert: shop.crt, key: shop.key } }
"""  # fmt: skip
NAMES = {"shop.example", "*.shop.example", "127.0.0.1"}


@pytest.fixture
def shop(tmp_path: Path) -> System:
    authority = Authority(tmp_path)
    authority.issue(*sorted(NAMES), into="shop")
    cert, key = authority.issue("one.example")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.pem").write_bytes(cert.read_bytes() + key.read_bytes())
    (tmp_path / "mainstay.yaml").write_text(SYSTEM)
    return load(tmp_path / "mainstay.yaml", {})


def days(file: Path) -> float:
    return (read_pair(file, file).until - time.time()) / 86400


def test_each_certificate_has_one_in_its_place_for_the_same_names(shop: System, tmp_path: Path) -> None:
    made = certificates(shop, tmp_path / "made")

    assert made.trouble == ""
    first, second = made.made
    assert set(read_pair(first.file, first.file).names) == NAMES
    assert read_pair(second.file, second.file).names == ("one.example",)
    assert made.files == {
        str(tmp_path / "shop.crt"): str(first.file),
        str(tmp_path / "shop.key"): str(first.file),
        str(tmp_path / "in" / "one.pem"): str(second.file),
    }


def test_all_of_them_are_renewed_for_as_long_as_is_told(shop: System, tmp_path: Path) -> None:
    made = certificates(shop, tmp_path / "made")
    before = [round(days(one.file)) for one in made.made]

    made.renew(1)

    assert before == [90, 90]
    assert [round(days(one.file)) for one in made.made] == [1, 1]
    assert not list((tmp_path / "made").glob("*.new"))


def test_a_copy_shows_them_to_clients_and_to_instances_what_the_system_shows(
    shop: System, tmp_path: Path
) -> None:
    made = certificates(shop, tmp_path / "made")
    ports = {opening.key: 21000 + place for place, opening in enumerate(shop.openings().values())}
    own = Own({"web": {"A": "1"}}, made.files)

    twin = copy(shop, tmp_path / "twin", ports, {"A": "0", "B": "0"}, {}, own=own)

    tls, other = twin.listeners["main"].tls, twin.services["own"].tls
    assert tls is not None
    assert other is not None
    assert [each.cert for each in tls.certificates] == [one.file for one in made.made]
    assert (other.cert, other.key) == (made.made[0].file, made.made[0].file)
    back = twin.services["back"].upstream_tls
    assert back is not None
    assert back.cert == tmp_path / "shop.crt"
    assert twin.services["web"].env == {"A": "1", "B": "0"}
    assert twin.services["own"].env == {"A": "0", "B": "0"}


def test_without_openssl_it_is_said_what_to_install(
    shop: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    made = certificates(shop, tmp_path / "made")

    assert made.trouble == "there is no openssl here to make certificates with: install it"
    assert made.files == {}


def test_a_certificate_that_cannot_be_read_is_told(shop: System, tmp_path: Path) -> None:
    (tmp_path / "shop.key").write_text("none")

    made = certificates(shop, tmp_path / "made")

    assert made.trouble.startswith("no certificate could be made: ")
