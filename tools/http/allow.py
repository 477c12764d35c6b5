"""Where requests may go: named hosts, and addresses of the public internet unless listed themselves.

`ip.is_global` alone is not enough: it accepts addresses that a translator turns into private ones
(64:ff9b::7f00:1, 2002:7f00:1::, ::ffff:127.0.0.1). So IPv6 is taken from a list of what is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

import httpx

from engine.errors import ConfigError, ToolError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_GLOBAL_V6 = (
    IPv6Network("2001::/23"),  # protocol assignments, Teredo and ORCHID among them
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4 carries an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)
_NOT_GLOBAL_V4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT
)
_LOOPBACK_NAME = "localhost"


@dataclass(frozen=True)
class AllowList:
    """Hosts as `name` or `name:port`, and networks outside the internet that may be reached through them."""

    hosts: frozenset[tuple[str, int | None]]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, hosts: tuple[str, ...], networks: tuple[str, ...]) -> AllowList:
        """From settings. An address among `hosts` is also a network of its own. Raises ConfigError."""
        parsed = frozenset(_host(entry) for entry in hosts)
        listed = [_network(entry) for entry in networks]
        listed += [ip_network(host) for host, _port in parsed if _address(host) is not None]
        return cls(parsed, tuple(listed))

    def check_url(self, url: httpx.URL) -> None:
        """Raise ToolError (http_denied) unless scheme, host and port are allowed."""
        if url.scheme not in {"http", "https"}:
            raise ToolError(f"scheme {url.scheme!r} is not allowed", code="http_denied", fix="use https")
        if url.userinfo:
            raise ToolError("credentials in a URL are not allowed", code="http_denied", fix="use a header")
        host, port = _folded(url.host), url.port or (443 if url.scheme == "https" else 80)
        if (host, None) not in self.hosts and (host, port) not in self.hosts:
            raise ToolError(
                f"host {host}:{port} is not on the allow-list",
                code="http_denied",
                fix=f"add {host!r} to allowed_hosts in the settings",
            )

    def check_address(self, host: str, address: Address) -> None:
        """Raise ToolError (http_denied) unless `host` may resolve to `address`."""
        if any(address in network for network in self.networks) or is_public(address):
            return
        if _folded(host) == _LOOPBACK_NAME and address.is_loopback:
            return
        raise ToolError(
            f"{host} resolves to {address}, which is not a public address",
            code="http_denied",
            fix="add the address's network to private_networks in the settings",
        )


def is_public(address: Address) -> bool:
    """Whether `address` is plain unicast of the public internet, no translated or special one."""
    if isinstance(address, IPv6Address):
        excluded: tuple[Network, ...] = _NOT_GLOBAL_V6
        return address in _GLOBAL_UNICAST and not any(address in network for network in excluded)
    special = address.is_multicast or address.is_reserved or not address.is_global
    return not special and not any(address in network for network in _NOT_GLOBAL_V4)


def _host(entry: str) -> tuple[str, int | None]:
    """`name`, `name:port`, `[v6]`, `[v6]:port` or a bare address."""
    if _address(entry) is not None:
        return _folded(entry), None
    try:
        url = httpx.URL(f"//{entry}" if not re.search(r"\s", entry) else "")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if not url.host or url.path not in {"", "/"} or url.query or url.userinfo:
        raise ConfigError(f"allowed_hosts: {entry!r} is not a host", fix="write name or name:port, no scheme")
    return _folded(url.host), url.port


def _network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        raise ConfigError(f"private_networks: {error}", fix="write CIDR blocks, as in 10.0.0.0/8") from None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _folded(host: str) -> str:
    return host.lower().removesuffix(".")
