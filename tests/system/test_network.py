import pytest
from pydantic import ValidationError

from mainstay.system.schema import Gateway


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ],
)
def test_a_network_has_one_form(written, network):
    assert Gateway(trusted_proxies=[written]).trusted_proxies == [network]


@pytest.mark.parametrize(
    "written", ["", "proxy.example", "10.0.0.0/33", "10.0.0", "fe80::1%eth0", 10, None, "10.0.0.0/8 "]
)
def test_what_is_no_network_is_told(written):
    with pytest.raises(
        ValidationError, match=r"is not a network: write an address or a network, as in 10\.0\.0\.0/8"
    ):
        Gateway(trusted_proxies=[written])


def test_an_address_within_a_network_is_told_with_the_network():
    with pytest.raises(ValidationError, match=r"write 10\.0\.0\.0/8, or the address alone"):
        Gateway(trusted_proxies=["10.1.2.3/8"])


def test_nobody_is_trusted_unless_told():
    assert Gateway().trusted_proxies == []
