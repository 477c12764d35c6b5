"""Addresses and hosts: what counts as public, and what an allow-list lets through."""

from __future__ import annotations

from ipaddress import ip_address

import httpx
import pytest

from engine.errors import ToolError
from tools import REGISTRY
from tools.http.allow import AllowList, is_public
from tools.http.spec import HttpSpec
from tools.python.spec import PythonSpec


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::6810:84e5", "2a00:1450:4001::1"])
def test_plain_unicast_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "192.0.0.8",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_everything_special_or_translated_is_not(address: str) -> None:
    assert not is_public(ip_address(address))


def _denied(allow: AllowList, url: str) -> bool:
    try:
        allow.check_url(httpx.URL(url))
    except ToolError as error:
        return error.code == "http_denied"
    return False


def test_hosts_are_compared_whole_and_with_their_port() -> None:
    allow = AllowList.of(("api.example.com", "Other.Example:8443", "[::1]:8000"), ())
    assert not _denied(allow, "https://API.example.com/x")
    assert not _denied(allow, "http://api.example.com.:8080/")
    assert not _denied(allow, "https://other.example:8443/")
    assert not _denied(allow, "http://[::1]:8000/")
    for url in (
        "https://other.example/",
        "https://evil-api.example.com/",
        "https://api.example.com.evil.net/",
        "https://api.example.com@evil.net/",
        "http://[::1]/",
        "ftp://api.example.com/",
    ):
        assert _denied(allow, url), url


def test_private_addresses_need_to_be_listed_themselves() -> None:
    allow = AllowList.of(("intern.example", "10.0.0.7", "localhost"), ("192.168.0.0/16",))
    allow.check_address("intern.example", ip_address("192.168.4.4"))
    allow.check_address("10.0.0.7", ip_address("10.0.0.7"))
    allow.check_address("localhost", ip_address("::1"))
    for host, address in (
        ("intern.example", "10.0.0.8"),
        ("intern.example", "127.0.0.1"),
        ("localhost", "10.0.0.8"),
    ):
        with pytest.raises(ToolError):
            allow.check_address(host, ip_address(address))


def _faults(**fields: object) -> list[str]:
    return [fault[0] for fault in REGISTRY["http"].check(HttpSpec(**fields))]


def test_a_spec_is_checked_before_any_request() -> None:
    assert _faults(url="https://x.example/{{ a }}") == []
    assert _faults(url="{{ base }}/a") == []
    assert _faults(url="x.example") == ["url"]
    assert _faults(url="https://x", json={}, body="", method="POST") == ["body"]
    assert _faults(url="https://x", json={}) == ["method"]
    assert _faults(url="https://x/$1", headers={"a": "$2"}, params={"b": "$3"}) == [
        "url",
        "headers.a",
        "params.b",
    ]


def test_methods_have_effects_until_told_otherwise() -> None:
    kind = REGISTRY["http"]
    assert (kind.effects(HttpSpec(url="https://x")), kind.deterministic(HttpSpec(url="https://x"))) == (
        "read",
        True,
    )
    post = HttpSpec(url="https://x", method="POST")
    assert (kind.effects(post), kind.deterministic(post)) == ("write", False)
    search = HttpSpec(url="https://x", method="POST", deterministic=True)
    assert (kind.effects(search), kind.deterministic(search)) == ("read", True)


def test_python_functions_are_named_by_file_or_module() -> None:
    kind = REGISTRY["python"]
    for function, fine in (
        ("a.py:f", True),
        ("../x/a.py:f", True),
        ("p.q:f", True),
        ("a.py", False),
        ("f", False),
    ):
        assert (kind.check(PythonSpec(function=function)) == ()) is fine, function
    assert not kind.deterministic(PythonSpec(function="a.py:f"))
    assert kind.deterministic(PythonSpec(function="a.py:f", deterministic=True))
