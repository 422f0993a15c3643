"""The client's address, as far as trusted proxies vouch for it. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address


def client_address(
    peer: str, forwarded_for: Sequence[bytes], trusted: Sequence[IPv4Network | IPv6Network]
) -> str:
    """The right-most address of `X-Forwarded-For` that no trusted proxy has; else the peer's.

    Only hops that we trust may add to the list, so it is read from the right; one that is no
    address ends the reading.
    """
    address = _plain(peer) or peer if ":" in peer else peer
    if not trusted or not _is_trusted(address, trusted):
        return address
    for hop in reversed(b",".join(forwarded_for).decode("latin-1").split(",")):
        candidate = _plain(hop)
        if candidate is None:
            return address
        address = candidate
        if not _is_trusted(address, trusted):
            return address
    return address


def _is_trusted(address: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def _plain(hop: str) -> str | None:
    """In one spelling; an IPv4 address is one, even from a socket for both (RFC 4291, 2.5.5.2)."""
    try:
        parsed = ip_address(hop.strip().strip("[]"))
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
