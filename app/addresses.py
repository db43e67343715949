"""Which addresses a URL of a client's may lead to: those of the public internet alone.

Knows no names and no sockets. Private networks, this machine, and what clouds tell their machines
about themselves (169.254.169.254) are refused, in whatever form an address hides them.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this machine
            "100.64.0.0/10",  # carriers' private networks; metadata of some clouds
            "168.63.129.16/32",  # metadata of a cloud, at a public address
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "192.0.0.0/24",  # protocols' own; metadata of a cloud
            "192.88.99.0/24",  # relays to IPv6
            "198.18.0.0/15",  # benchmarks
            "::/96",  # IPv4 in an old form
            "64:ff9b:1::/48",  # IPv4 of private networks
            "100::/64",  # nowhere
            "2001::/32",  # tunnels (Teredo)
            "fec0::/10",  # IPv6's first private networks
        ),
    )
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 as IPv6 networks write it: as public as what it stands for."""


def is_public(text: str) -> bool:
    """Whether an address, as the system writes it, is one of the public internet."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    for inner in _meant(address):
        special = inner.is_multicast or inner.is_reserved or inner.is_unspecified
        if special or not inner.is_global or any(inner in network for network in REFUSED):
            return False
    return True


def _meant(address: Address) -> list[Address]:
    """The address, or the IPv4 address that it stands for and is reached by."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [ipaddress.IPv4Address(address.packed[-4:])]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    return [address]
