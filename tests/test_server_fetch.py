"""URLs are refused unless they are https and every address of the host is public; redirects are checked again."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator

import pytest

from sayso.server import fetch
from sayso.server.errors import ApiError

PUBLIC = "93.184.216.34"


def refuse(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host} must not be looked up")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "2001:0:7f00:1:0:0:80ff:fffe",
        "nonsense",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not fetch.is_public(address)
    with pytest.raises(ApiError, match="not public"):
        fetch.checked("https://a.example/x.png", "image_url", lambda host, port: [PUBLIC, address])


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses(address: str) -> None:
    assert fetch.is_public(address)
    assert fetch.checked("https://a.example/x.png?y=1", "u", lambda host, port: [address]) == ("a.example", 443, "/x.png?y=1", address)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/x.png",
        "ftp://a.example/x",
        "file:///etc/passwd",
        "gopher://a.example",
        "https://",
        "https://user:word@a.example/",
        "//a.example",
        "https://a.example:99999/",
        "https://[::1",
        "https://a.example/\r\nX: y",
        "javascript:alert(1)",
        "https://a example/",
        "",
    ],
)
def test_only_plain_https(url: str) -> None:
    with pytest.raises(ApiError) as caught:
        fetch.checked(url, "image_url", refuse)
    assert caught.value.status == 400 and caught.value.param == "image_url"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_loopback_in_any_spelling(host: str) -> None:
    with pytest.raises(ApiError):
        fetch.checked(f"https://{host}/x.png", "image_url", fetch.addresses)


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/picture":
            self._answer(200, b"bytes of a picture")
        elif self.path == "/large":
            self._answer(200, bytes(2000))
        elif self.path == "/inside":
            self._answer(302, b"", "https://inside.example/secret")
        elif self.path == "/plain":
            self._answer(302, b"", "http://a.example/picture")
        elif self.path == "/round":
            self._answer(302, b"", "/round")
        elif self.path == "/moved":
            self._answer(301, b"", "/picture")
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes, location: str | None = None) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def get(path: str, port: int, most: int = 1000) -> bytes:
    """Fetches from the local pages as if they were at a public address."""

    def connect(host: str, _: int, address: str, timeout: float) -> http.client.HTTPConnection:
        assert address == PUBLIC
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def resolve(host: str, _: int) -> list[str]:
        return ["10.0.0.1"] if host == "inside.example" else [PUBLIC]

    return fetch.download(f"https://a.example{path}", "image_url", most, 5.0, resolve, connect)


def test_a_picture_comes(port: int) -> None:
    assert get("/picture", port) == get("/moved", port) == b"bytes of a picture"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/inside", "not public"),
        ("/plain", "must be an https URL"),
        ("/round", "redirects more than"),
        ("/large", "more than 1000 bytes"),
        ("/none", "answered 404"),
    ],
)
def test_what_does_not(path: str, said: str, port: int) -> None:
    with pytest.raises(ApiError, match=said):
        get(path, port)


def test_a_name_that_changes_its_answer_is_asked_once() -> None:
    """The address that was checked is the one that is used, whatever the name server would say next."""
    answers = [[PUBLIC], ["127.0.0.1"]]
    used = []

    def connect(host: str, port: int, address: str, timeout: float) -> http.client.HTTPConnection:
        used.append(address)
        raise OSError("no network in this test")

    with pytest.raises((ApiError, OSError)):
        fetch.download("https://a.example/x", "image_url", 10, 1.0, lambda host, port: answers.pop(0), connect)
    assert used == [PUBLIC] and len(answers) == 1
