"""Certificates and keys in files: what is read of them, and what is wrong with them."""

import datetime as dt
import ssl
import subprocess

import pytest

from mainstay.base.errors import SpecError
from mainstay.system.certificate import PairError, install, read_authorities, read_pair
from pki import Authority

UTC = dt.UTC


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def own(folder, name, *more, key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
    """Make a certificate that vouches for itself."""
    cert, secret = folder / f"{name}.crt", folder / f"{name}.key"
    openssl(
        *("req", "-x509", "-newkey", *key, "-nodes", "-days", "30", "-subj", f"/CN={name}/O=Shop"),
        *("-keyout", secret, "-out", cert, *more),
    )
    return cert, secret


def refused(cert, key, **how):
    with pytest.raises(PairError) as told:
        read_pair(cert, key, **how)
    return told.value.part, str(told.value)


def test_names_and_times_are_those_of_the_certificate(ca):
    since, until = dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(2040, 1, 2, tzinfo=UTC)

    pair = read_pair(
        *ca.issue("shop.example", "*.Shop.example", "127.0.0.1", "::1", not_before=since, not_after=until)
    )

    assert pair.names == ("shop.example", "*.shop.example", "127.0.0.1", "::1")
    assert pair.title == "shop.example"
    assert (pair.since, pair.until) == (since.timestamp(), until.timestamp())


def test_one_that_has_expired_or_does_not_count_yet_is_read_all_the_same(ca):
    old = dt.datetime(2000, 1, 1, tzinfo=UTC)
    past = read_pair(*ca.issue("old.example", not_before=old, not_after=old + dt.timedelta(days=1)))
    new = dt.datetime(2090, 1, 1, tzinfo=UTC)
    future = read_pair(*ca.issue("new.example", not_before=new, not_after=new + dt.timedelta(days=1)))

    assert past.until < future.since


def test_one_that_nobody_vouches_for_is_read(tmp_path):
    pair = read_pair(*own(tmp_path, "localhost", "-addext", "subjectAltName=DNS:localhost"))

    assert pair.names == ("localhost",)
    assert pair.subject == "CN=localhost, O=Shop"


def test_one_without_names_goes_by_whose_it_is(tmp_path):
    pair = read_pair(*own(tmp_path, "localhost"))

    assert pair.names == ()
    assert pair.title == "CN=localhost, O=Shop"


@pytest.mark.parametrize(
    "key", [("rsa:2048",), ("ed25519",), ("ec", "-pkeyopt", "ec_paramgen_curve:secp384r1")]
)
def test_keys_of_all_usual_kinds_are_read(tmp_path, key):
    assert read_pair(*own(tmp_path, "localhost", key=key)).subject == "CN=localhost, O=Shop"


def test_a_key_is_never_shown_by_accident(ca):
    assert "PRIVATE" not in repr(ca.pair("shop.example"))


def test_a_certificate_and_its_key_may_be_in_one_file(ca, tmp_path):
    cert, key = ca.issue("shop.example")
    both = tmp_path / "both.pem"
    both.write_bytes(b"issued for us\n\xe4\n" + key.read_bytes() + cert.read_bytes())

    assert read_pair(both, both).names == ("shop.example",)


@pytest.mark.parametrize(
    ("client", "usage", "fits"),
    [
        (False, "serverAuth", True),
        (False, "clientAuth", False),
        (True, "clientAuth", True),
        (True, "serverAuth", False),
    ],
)
def test_it_has_to_be_made_for_what_it_is_used_for(tmp_path, client, usage, fits):
    cert, key = own(tmp_path, "localhost", "-addext", f"extendedKeyUsage={usage}")

    if fits:
        read_pair(cert, key, client=client)
    else:
        message = "is refused by who is to trust it: unsuitable certificate purpose"
        assert refused(cert, key, client=client) == ("cert", message)


def test_what_is_not_there_is_told_by_its_name(ca, tmp_path):
    cert, key = ca.issue("shop.example")
    missing, folder = tmp_path / "missing.pem", tmp_path

    assert refused(missing, key) == ("cert", f"no such file: {missing}")
    assert refused(cert, missing) == ("key", f"no such file: {missing}")
    assert refused(cert, folder) == ("key", f"is not a file: {folder}")


def test_what_is_something_else_is_told_as_what_it_is(ca, tmp_path):
    cert, key = ca.issue("shop.example")
    text = tmp_path / "text.pem"
    text.write_bytes(b"\xff\xfe no PEM")

    assert refused(cert, cert) == ("key", f"has no private key in PEM form, but certificate: {cert}")
    part, message = refused(key, key)
    assert (part, message.partition(":")[0]) == ("cert", "has no certificate in PEM form, but ec private key")
    assert refused(text, key) == ("cert", f"has no certificate in PEM form: {text}")


@pytest.mark.parametrize("inside", ["AAAA", "!", "MIIB" * 20])
def test_what_only_looks_like_pem_is_refused(ca, tmp_path, inside):
    cert, key = ca.issue("shop.example")
    broken = tmp_path / "broken.pem"
    broken.write_text(
        f"-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n"
        f"-----BEGIN PRIVATE KEY-----\n{inside}\n-----END PRIVATE KEY-----\n"
    )

    part, message = refused(broken, key)
    assert part == "cert"
    assert message.startswith("has a certificate that cannot be read: ")
    part, message = refused(cert, broken)
    assert part == "key"
    assert message.startswith("cannot be read: ")


def test_a_file_that_is_no_certificate_by_its_size_is_not_read(ca, tmp_path):
    _, key = ca.issue("shop.example")
    large = tmp_path / "large.pem"
    large.write_bytes(b"x" * (2**20 + 1))

    assert refused(large, key) == ("cert", f"is larger than 1048576 bytes: {large}")


def test_a_key_of_another_certificate_is_refused(ca):
    cert, _ = ca.issue("shop.example")
    _, other = ca.issue("pay.example")

    message = "does not belong to the certificate, which is the first one in cert"
    assert refused(cert, other) == ("key", message)


def test_a_chain_in_the_wrong_order_is_told_as_that(ca, tmp_path):
    cert, key = ca.issue("shop.example")
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(ca.file.read_bytes() + cert.read_bytes())

    assert "the first one in cert" in refused(wrong, key)[1]


@pytest.mark.parametrize("form", [("pkey",), ("rsa", "-traditional")])
def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(tmp_path, form):
    cert, key = own(tmp_path, "localhost", key=("rsa:2048",))
    locked = tmp_path / "locked.key"
    openssl(form[0], "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked, *form[1:])

    part, message = refused(cert, locked)

    assert part == "key"
    assert message.startswith("is encrypted, and nobody is there to tell its password")


def test_one_that_is_too_weak_is_told_as_that(tmp_path):
    cert, key = own(tmp_path, "localhost", key=("rsa:1024",))

    assert refused(cert, key) == ("cert", "is too weak to be trusted by anybody: ee key too small")


def test_what_a_stranger_has_written_into_it_is_only_printed_if_it_can_be(tmp_path):
    cert, key = tmp_path / "evil.crt", tmp_path / "evil.key"
    openssl(
        *("req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", "-utf8", "-subj", "/CN=a\x1b[2Jb"),
        *("-keyout", key, "-out", cert, "-addext", "subjectAltName=DNS:a b,DNS:ok.example"),
    )

    pair = read_pair(cert, key)

    assert pair.subject == "CN=a?[2Jb"
    assert pair.names == ("ok.example",)


def test_authorities_are_read_together(ca, tmp_path):
    other = Authority(tmp_path, "other")
    both = tmp_path / "both.pem"
    both.write_text("# two of them\n" + ca.pem + other.pem)

    text = read_authorities(both)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=text)
    assert context.cert_store_stats()["x509_ca"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no certificate in PEM form: {file}"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "has a certificate that cannot be read: no start line: cadata does not contain a certificate",
        ),
    ],
)
def test_authorities_that_are_none_are_refused(tmp_path, text, message):
    file = tmp_path / "ca.pem"
    file.write_text(text)

    with pytest.raises(SpecError) as told:
        read_authorities(file)

    assert str(told.value) == message.format(file=file)


def test_installing_leaves_no_file_open(ca, tmp_path):
    pair = ca.pair("shop.example")
    before = set((tmp_path / "/proc/self/fd").iterdir())

    install(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair.chain, pair.key)
    with pytest.raises(ssl.SSLError):
        install(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair.chain, "")

    assert len(set((tmp_path / "/proc/self/fd").iterdir())) == len(before)
