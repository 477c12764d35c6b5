"""The HTTP tool against a real server that misbehaves: where it goes, how long it waits, what it keeps."""

from __future__ import annotations

import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.contracts import Cancellation, Tool
from engine.errors import ConfigError, ToolError
from tools import REGISTRY

CANARY = "canary-51be02"


@pytest.fixture
def http(http_world: Any) -> Iterator[Tool]:
    tool = REGISTRY["http"].open({"allowed_hosts": [f"127.0.0.1:{http_world.port}"]})
    yield tool
    tool.close()


def bound(text: str, *params: object) -> dict[str, Any]:
    return {"text": text, "params": list(params)}


def fetch(tool: Tool, url: Any, timeout_s: float = 10.0, **more: object) -> Any:
    return tool.call({"url": url, **more}, timeout_s=timeout_s, cancellation=Cancellation())


def refusal(tool: Tool, url: Any, timeout_s: float = 10.0, **more: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        fetch(tool, url, timeout_s, **more)
    return caught.value


def test_json_and_text_by_content_type(http: Tool, http_world: Any) -> None:
    assert fetch(http, http_world.url + "/json") == {"status": 200, "body": {"n": 7, "list": [1, "é"]}}
    assert fetch(http, http_world.url + "/text") == {"status": 200, "body": "grüße"}
    assert fetch(http, http_world.url + "/json", expect="text")["body"].startswith('{"n"')
    assert fetch(http, http_world.url + "/zipped", expect="json")["body"] == {"ok": True}
    assert refusal(http, http_world.url + "/text", expect="json").code == "http_error"
    assert refusal(http, http_world.url + "/broken").code == "http_error"


def test_values_are_encoded_for_their_place(http: Tool, http_world: Any) -> None:
    fetch(
        http,
        bound(http_world.url + "/json/$1?q=$2", "a/b?c", "x&y=z"),
        params={"list": bound("$1", [1, 2]), "text": bound("v$1", "ä"), "none": bound("$1", None)},
    )
    assert http_world.seen[-1][1] == "/json/a%2Fb%3Fc?q=x%26y%3Dz&list=1&list=2&text=v%C3%A4"


def test_a_value_at_the_start_is_a_whole_url(http: Tool, http_world: Any) -> None:
    assert fetch(http, bound("$1/$2", http_world.url, "json"))["status"] == 200
    assert refusal(http, bound("$1/json", "http://example.com")).code == "http_denied"


@pytest.mark.parametrize("value", ["..", "."])
def test_values_do_not_climb_the_path(http: Tool, http_world: Any, value: str) -> None:
    assert refusal(http, bound(http_world.url + "/json/$1/admin", value)).code == "http_error"


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "nul\x00"])
def test_values_do_not_split_headers(http: Tool, http_world: Any, value: str) -> None:
    error = refusal(http, http_world.url + "/json", headers={"x-topic": bound("$1", value)})
    assert error.code == "http_error"
    assert not http_world.seen


def test_bodies_and_idempotency_keys_are_sent(http: Tool, http_world: Any) -> None:
    fetch(
        http, http_world.url + "/json", method="POST", json={"a": [1]}, effects="write", idempotency_key="k1"
    )
    method, _path, headers, body = http_world.seen[-1]
    assert (method, body) == ("POST", b'{"a":[1]}')
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "k1"
    fetch(http, http_world.url + "/json", method="POST", body="plain ü", effects="write")
    assert http_world.seen[-1][3] == "plain ü".encode()
    assert "idempotency-key" not in http_world.seen[-1][2]
    for key in ("", "a\nb"):
        write = {"method": "POST", "effects": "write", "idempotency_key": key}
        assert refusal(http, http_world.url + "/json", **write).code == "http_error"


def test_error_statuses_fail_and_say_whether_to_try_again(http: Tool, http_world: Any) -> None:
    assert _told(refusal(http, http_world.url + "/error")) == ("http_status", True)
    assert _told(refusal(http, http_world.url + "/missing")) == ("http_status", False)
    busy = refusal(http, http_world.url + "/busy", method="POST", effects="write")
    assert _told(busy) == ("http_status", True)
    assert "3" in busy.message
    write = {"method": "POST", "effects": "write"}
    assert _told(refusal(http, http_world.url + "/error", **write)) == ("http_status", False)
    assert _told(refusal(http, http_world.url + "/error", **write, idempotency_key="k")) == (
        "http_status",
        True,
    )


def _told(error: ToolError) -> tuple[str, bool]:
    return error.code, error.retryable


@pytest.mark.parametrize("path", ["/silent", "/drip", "/drip_body"])
def test_the_deadline_holds_for_the_whole_answer(http: Tool, http_world: Any, path: str) -> None:
    started = time.monotonic()
    error = refusal(http, http_world.url + path, timeout_s=0.3)
    assert error.code == "http_timeout"
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("path", ["/huge", "/bomb"])
def test_sizes_are_bounded_before_they_are_reached(http: Tool, http_world: Any, path: str) -> None:
    fetch(http, http_world.url + "/json")
    assert refusal(http, http_world.url + path, max_bytes=100_000).code == "result_too_large"


def test_a_bomb_is_not_inflated(http: Tool, http_world: Any) -> None:
    from tools.http.body import read_body

    with pytest.raises(ToolError):
        read_body(iter([_bomb()]), _gzip_headers(), 100_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        with pytest.raises(ToolError) as caught:
            read_body(iter([_bomb()]), _gzip_headers(), 100_000)
        assert caught.value.code == "result_too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def _bomb() -> bytes:
    import gzip

    return gzip.compress(bytes(50_000_000), 9)


def _gzip_headers() -> Any:
    import httpx

    return httpx.Headers({"content-encoding": "gzip"})


def test_a_body_compressed_twice_is_refused(http: Tool, http_world: Any) -> None:
    assert refusal(http, http_world.url + "/double").code == "http_error"


def test_a_compressed_body_cut_off_is_an_error(http: Tool, http_world: Any) -> None:
    assert _told(refusal(http, http_world.url + "/cut")) == ("http_error", True)


def test_redirects_are_followed_only_where_requests_may_go(http: Tool, http_world: Any) -> None:
    assert fetch(http, bound(http_world.url + "/away?to=$1", "/json"))["status"] == 200
    for target in (
        "http://169.254.169.254/latest",
        "http://localhost/",
        "ftp://127.0.0.1/x",
        "http://u:p@127.0.0.1/",
    ):
        assert refusal(http, bound(http_world.url + "/away?to=$1", target)).code == "http_denied", target
    assert refusal(http, http_world.url + "/round").code == "http_error"


def test_headers_stay_behind_when_the_origin_changes(
    http_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", CANARY)
    hosts = [f"127.0.0.1:{http_world.port}", f"localhost:{http_world.port}"]
    tool = REGISTRY["http"].open({"allowed_hosts": hosts})
    headers = {"Authorization": bound("Bearer ${env:API_TOKEN}")}
    fetch(tool, bound(http_world.url + "/away?to=$1", "/json"), headers=headers)
    assert http_world.seen[-1][2]["authorization"] == f"Bearer {CANARY}"
    fetch(
        tool,
        bound(http_world.url + "/away?to=$1", f"http://localhost:{http_world.port}/json"),
        headers=headers,
    )
    assert http_world.seen[-1][2]["host"].startswith("localhost")
    assert "authorization" not in http_world.seen[-1][2]
    tool.close()


def test_no_cookie_travels_between_calls(http: Tool, http_world: Any) -> None:
    fetch(http, http_world.url + "/cookie")
    fetch(http, http_world.url + "/cookie")
    assert "cookie" not in http_world.seen[-1][2]


def test_hosts_not_listed_are_denied_without_a_request(http: Tool, http_world: Any) -> None:
    for url in (
        f"http://localhost:{http_world.port}/json",
        f"http://2130706433:{http_world.port}/json",
        f"http://127.0.0.1:{http_world.port}@example.com/",
        "file:///etc/passwd",
        "http://127.0.0.1:1/json",
    ):
        error = refusal(http, url)
        assert error.code in {"http_denied", "http_error"}, url
        with pytest.raises(ToolError):
            http.canonical({"url": url})
    assert not http_world.seen


def test_a_public_name_that_leads_inside_is_denied(http_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name server of an attacker answers with a loopback address."""
    resolver = socket.getaddrinfo

    def lying(host: str, *args: Any, **kwargs: Any) -> Any:
        return resolver("127.0.0.1" if host == "innocent.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    url = f"http://innocent.example:{http_world.port}/json"
    tool = REGISTRY["http"].open({"allowed_hosts": ["innocent.example"]})
    assert refusal(tool, url).code == "http_denied"
    assert not http_world.seen
    tool.close()
    trusting = REGISTRY["http"].open(
        {"allowed_hosts": ["innocent.example"], "private_networks": ["127.0.0.0/8"]}
    )
    assert fetch(trusting, url)["status"] == 200
    assert http_world.seen[-1][2]["host"] == f"innocent.example:{http_world.port}"
    trusting.close()


def test_a_name_is_resolved_once_and_that_address_is_used(
    http_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer would be another machine: DNS rebinding."""
    answers = iter(["127.0.0.1", "127.0.0.2"])
    resolver = socket.getaddrinfo
    asked = []

    def rebinding(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "rebind.example":
            asked.append(host)
            host = next(answers)
        return resolver(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    tool = REGISTRY["http"].open({"allowed_hosts": ["rebind.example", "127.0.0.1"]})
    assert fetch(tool, f"http://rebind.example:{http_world.port}/json")["status"] == 200
    assert asked == ["rebind.example"]
    tool.close()


def test_localhost_is_reached_when_listed_by_name(http_world: Any) -> None:
    tool = REGISTRY["http"].open({"allowed_hosts": ["localhost"]})
    assert fetch(tool, f"http://localhost:{http_world.port}/json")["status"] == 200
    tool.close()


def test_nobody_listening_is_worth_another_try(http_world: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        tool = REGISTRY["http"].open({"allowed_hosts": ["127.0.0.1"]})
        error = refusal(tool, f"http://127.0.0.1:{port}/", method="POST", effects="write")
        assert _told(error) == ("http_error", True)
        tool.close()


def test_secrets_are_read_from_the_authors_text_only(
    http: Tool, http_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", CANARY)
    arguments = {
        "url": bound(http_world.url + "/json/$1", "${env:API_TOKEN}"),
        "headers": {"x-key": bound("${env:API_TOKEN}"), "x-row": bound("$1", "${env:API_TOKEN}")},
        "params": {"key": bound("${env:API_TOKEN}")},
    }
    http.call(arguments, timeout_s=5.0, cancellation=Cancellation())
    _method, path, headers, _body = http_world.seen[-1]
    assert headers["x-key"] == CANARY
    assert headers["x-row"] == "${env:API_TOKEN}"
    assert path.count(CANARY) == 1
    assert CANARY not in str(http.canonical(arguments))
    spelt = {**arguments, "headers": {"x-key": bound("$1", "%00API_TOKEN%00"), "x-row": bound("$1", "x")}}
    assert http.canonical(spelt) != http.canonical(arguments)


def test_a_secret_in_a_url_stays_out_of_errors(
    http: Tool, http_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", CANARY)
    for url in (http_world.url + "/error?key=${env:API_TOKEN}", "http://${env:API_TOKEN}.example/"):
        assert CANARY not in str(refusal(http, bound(url)))
    monkeypatch.delenv("API_TOKEN")
    assert "API_TOKEN" in refusal(http, bound(http_world.url + "/json?key=${env:API_TOKEN}")).message


def test_a_secret_that_the_server_sends_back_goes_no_further(
    http: Tool, http_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", CANARY)
    monkeypatch.setenv("SHORT", "path")
    arguments = {
        "url": bound(http_world.url + "/mirror?key=${env:API_TOKEN}"),
        "headers": {"authorization": bound('Bearer "${env:API_TOKEN}" ${env:SHORT}'), CANARY: bound("x")},
    }
    for expect in ("json", "text"):
        answer = http.call({**arguments, "expect": expect}, timeout_s=5.0, cancellation=Cancellation())
        assert CANARY not in str(answer)
        assert "***" in str(answer)
        assert "path" in str(answer)


@pytest.mark.parametrize("entry", ["http://x", "a b", "", "x/y", "u@x"])
def test_allowed_hosts_are_hosts(entry: str) -> None:
    with pytest.raises(ConfigError):
        REGISTRY["http"].open({"allowed_hosts": [entry]})


def test_private_networks_are_networks() -> None:
    with pytest.raises(ConfigError):
        REGISTRY["http"].open({"private_networks": ["10.0.0.0/99"]})


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Certificate and key of secure.example, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    files = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    subject = ["-subj", "/CN=secure.example", "-addext", "subjectAltName=DNS:secure.example"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return files


def test_tls_verifies_the_name_on_the_pinned_address(
    http_world: Any, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    http_world.serve_tls(*certificate)
    resolver = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *rest, **more: resolver("127.0.0.1", *rest, **more)
    )
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    tool = REGISTRY["http"].open(
        {"allowed_hosts": ["secure.example", "other.example"], "private_networks": ["127.0.0.0/8"]}
    )
    assert fetch(tool, f"https://secure.example:{http_world.port}/json")["body"]["n"] == 7
    assert "certificate" in refusal(tool, f"https://other.example:{http_world.port}/json").message.lower()
    started = time.monotonic()
    assert (
        refusal(tool, f"https://secure.example:{http_world.port}/drip", timeout_s=0.3).code == "http_timeout"
    )
    assert time.monotonic() - started < 1.5
    tool.close()
