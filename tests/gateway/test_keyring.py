"""Certificates that change while a system runs: what is taken, what is told, and when it expires."""

import datetime as dt
import os
from types import SimpleNamespace

import pytest

from mainstay.gateway.table import Trust
from mainstay.gateway.tls.keyring import Keyring
from mainstay.system.load import load
from pki import Authority

DAY = 86400
NOW = 2_000_000_000.0


class Ring:
    """A keyring, a folder of certificates, and what was told."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = Authority(folder)
        self.now = NOW
        self.told = []
        self.put("shop.example")

    def put(self, *names, into="shop", days=90):
        """Write a certificate and its key, in the place of what was there."""
        until = dt.datetime.fromtimestamp(self.now + days * DAY, tz=dt.UTC)
        since = dt.datetime.fromtimestamp(NOW - 400 * DAY, tz=dt.UTC)
        self.ca.issue(*names, into=into, not_before=since, not_after=until)

    def open(
        self,
        services="web: { command: run, listen: 'https://127.0.0.1:1', tls: { cert: shop.crt, key: shop.key } }",
    ):
        (self.folder / "mainstay.yaml").write_text(f"services:\n  {services}\n")
        self.system = load(self.folder / "mainstay.yaml", {})
        clock = SimpleNamespace(wall=lambda: self.now)
        self.keys = Keyring(self.system, lambda fact: self.told.append(fact.record()), clock)
        return self.keys.open()

    def look(self):
        self.told.clear()
        return self.keys.look()

    def facts(self):
        return [fact["fact"] for fact in self.told]

    @property
    def names(self):
        return [pair.names for pair in self.keys.terms("web").certificates]


@pytest.fixture
def ring(tmp_path):
    return Ring(tmp_path)


def test_what_has_not_changed_is_no_news(ring):
    assert ring.open() == []

    assert not ring.look()
    assert ring.told == []
    assert ring.names == [("shop.example",)]


def test_files_that_are_written_in_place_are_taken(ring):
    ring.open()

    ring.put("shop.example", "www.shop.example")

    assert ring.look()
    assert ring.names == [("shop.example", "www.shop.example")]
    assert [(fact["fact"], fact["key"], fact["names"]) for fact in ring.told] == [
        ("CertificatesChanged", "services.web.tls", ["shop.example"])
    ]
    assert not ring.look()


def test_files_that_are_renamed_into_their_place_are_taken(ring):
    ring.open()

    ring.put("new.example", into="new")
    for end in ("crt", "key"):
        os.replace(ring.folder / f"new.{end}", ring.folder / f"shop.{end}")  # noqa: PTH105 - as programs do it

    assert ring.look()
    assert ring.names == [("new.example",)]


def test_links_that_are_turned_to_other_files_are_followed(ring):
    ring.put("one.example", into="one")
    ring.put("two.example", into="two")
    for end in ("crt", "key"):
        (ring.folder / f"shop.{end}").unlink()
        (ring.folder / f"shop.{end}").symlink_to(f"one.{end}")
    ring.open()

    for end in ("crt", "key"):
        (ring.folder / "link").symlink_to(f"two.{end}")
        (ring.folder / "link").rename(ring.folder / f"shop.{end}")

    assert ring.look()
    assert ring.names == [("two.example",)]


def test_a_pair_of_which_only_half_has_come_is_waited_for(ring):
    ring.open()
    ring.put("new.example", into="new")

    (ring.folder / "new.key").rename(ring.folder / "shop.key")
    assert not ring.look()
    assert ring.told == []
    (ring.folder / "new.crt").rename(ring.folder / "shop.crt")

    assert ring.look()
    assert ring.facts() == ["CertificatesChanged"]
    assert ring.names == [("new.example",)]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda key: key.write_text("no key"), "has no private key in PEM form: {key}"),
        (lambda key: key.unlink(), "no such file: {key}"),
    ],
)
def test_files_that_stay_broken_are_told_once_and_the_former_go_on(ring, spoil, reason):
    ring.open()
    key = ring.folder / "shop.key"

    spoil(key)
    looks = [(ring.look(), ring.facts()) for _ in range(4)]

    assert looks == [(False, []), (False, ["CertificatesRejected"]), (False, []), (False, [])]
    assert ring.names == [("shop.example",)]
    (line,) = ring.keys.status()
    assert line["trouble"] == "services.web.tls.key: " + reason.format(key=key)


def test_files_that_are_mended_are_taken_again(ring):
    ring.open()
    (ring.folder / "shop.key").write_text("no key")
    ring.look()
    ring.look()

    ring.put("shop.example", "mended.example")

    assert ring.look()
    assert ring.facts() == ["CertificatesChanged"]
    assert ring.keys.status()[0]["trouble"] is None


def test_the_same_certificate_once_more_is_no_news(ring):
    ring.open()
    ring.put("other.example", into="spare")
    content = (ring.folder / "shop.key").read_bytes()
    (ring.folder / "shop.key").write_text("no key")
    ring.look()
    ring.look()

    (ring.folder / "shop.key").write_bytes(content)

    assert not ring.look()
    assert ring.told == []
    assert ring.keys.status()[0]["trouble"] is None


def test_what_cannot_be_read_at_first_is_told_with_its_key(ring):
    ring.open()
    (ring.folder / "shop.key").unlink()
    keys = Keyring(ring.system, ring.told.append, SimpleNamespace(wall=lambda: NOW))

    assert keys.open() == [f"services.web.tls.key: no such file: {ring.folder}/shop.key"]
    assert keys.terms("web") is None
    assert keys.status() == []


def test_other_authorities_for_clients_are_news(ring):
    people = Authority(ring.folder, "people")
    ring.open(
        "web: { command: run, listen: 'https://127.0.0.1:1', "
        "tls: { cert: shop.crt, key: shop.key, client_ca: people.pem, client_auth: optional } }"
    )
    before = ring.keys.terms("web")

    Authority(ring.folder, "people")

    assert before.client_ca.strip() == people._ca.cert_pem.bytes().decode().strip()
    assert not before.required
    assert ring.look()
    assert ring.keys.terms("web").client_ca != before.client_ca


def test_each_certificate_has_a_key_of_its_own(ring):
    ring.put("pay.example", into="pay", days=3)
    ring.open(
        "web: { command: run, listen: 'https://127.0.0.1:1', tls: { certificates: "
        "[{ cert: shop.crt, key: shop.key }, { cert: pay.crt, key: pay.key }] } }"
    )

    lines = ring.keys.status()

    assert [(line["key"], line["name"]) for line in lines] == [
        ("services.web.tls.certificates[0]", "shop.example"),
        ("services.web.tls.certificates[1]", "pay.example"),
    ]
    assert [round((line["until"] - NOW) / DAY) for line in lines] == [90, 3]


# --- expiry ---


def test_the_end_is_told_once_a_day_from_fourteen_days_on(ring):
    ring.put("shop.example", days=15.5)
    ring.open()
    days = []

    for _ in range(8 * 4):
        ring.look()
        days += [fact["days"] for fact in ring.told]
        ring.now += DAY / 4

    assert days == [13, 12, 11, 10, 9, 8, 7]
    assert ring.told == [] or ring.told[-1]["name"] == "shop.example"


def test_one_that_has_expired_is_told_as_that_and_still_shown(ring):
    ring.put("shop.example", days=-1.5)

    assert ring.open() == []
    ring.look()

    (fact,) = ring.told
    assert (fact["fact"], fact["days"]) == ("CertificateNearedExpiry", -2)
    assert ring.names == [("shop.example",)]


def test_one_that_is_renewed_in_time_is_not_told(ring):
    ring.put("shop.example", days=20)
    ring.open()
    ring.now += 5 * DAY
    ring.put("shop.example", days=90)

    ring.look()

    assert ring.facts() == ["CertificatesChanged"]


# --- to instances ---


def test_services_that_say_the_same_share_what_is_read(ring):
    ring.put("us.example", into="us", days=5)
    ring.open(
        "a: { command: run, listen: 'http://127.0.0.1:1', upstream_tls: { ca: ca.pem, cert: us.crt, key: us.key } }\n"
        "  b: { command: run, listen: 'http://127.0.0.1:2', upstream_tls: { ca: ca.pem, cert: us.crt, key: us.key } }\n"
        "  c: { command: run, listen: 'http://127.0.0.1:3' }"
    )
    a, b, c = (ring.keys.trust(ring.system.services[name].upstream_tls) for name in "abc")

    assert a is b
    assert a.pair.names == ("us.example",)
    assert a.ca == ring.ca.pem
    assert c == Trust()
    assert [line["key"] for line in ring.keys.status()] == ["services.a.upstream_tls"]
    ring.look()
    assert ring.facts() == ["CertificateNearedExpiry"]


def test_other_authorities_for_instances_are_news(ring):
    ring.open("a: { command: run, listen: 'http://127.0.0.1:1', upstream_tls: { ca: ca.pem } }")
    section = ring.system.services["a"].upstream_tls
    before = ring.keys.trust(section)

    Authority(ring.folder)

    assert ring.look()
    assert ring.keys.trust(section) != before
