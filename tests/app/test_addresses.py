"""Which addresses are of the public internet, in whatever form they come."""

import pytest

from mlx_responses.app.addresses import is_public

PUBLIC = [
    *("93.184.215.14", "8.8.8.8", "1.1.1.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:4860:4860::8888", "100.63.255.255"),
]
REFUSED = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::"),
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200"),
    *("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%en0", "fec0::1"),
    *("fc00::1", "fd00:ec2::254", "fd12:3456::1"),
    *("168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.255", "ff02::1", "240.0.0.1", "255.255.255.255"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::10.0.0.1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1"),
    *("100::1", "", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", REFUSED)
def test_all_others_are_not(address):
    assert not is_public(address)
