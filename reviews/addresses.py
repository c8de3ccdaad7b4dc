"""Which addresses of the internet are public. The rest is somebody's inside."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_INSIDE_4 = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a public-looking door into one cloud's own services
        "169.254.0.0/16",  # link-local, where clouds keep their credentials
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
]
# What is handed out to the public lies here. Loopback, link-local, unique local, multicast, mapped
# IPv4 (::ffff:0:0/96) and NAT64 (64:ff9b::/96) lie outside, so they need no line of their own.
_GLOBAL_6 = ip_network("2000::/3")
_INSIDE_6 = [
    ip_network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them, which wraps an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which wraps an IPv4 address
        "3fff::/20",  # documentation
    )
]


def is_public(address: str) -> bool:
    """Return whether anybody on the internet may be reached at this numeric address."""
    try:
        # A zone such as %eth0 makes an address of this link only.
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _INSIDE_4)
    return _public_6(parsed)


def _public_6(address: IPv6Address) -> bool:
    inside = any(address in network for network in _INSIDE_6)
    return address.scope_id is None and address in _GLOBAL_6 and not inside
