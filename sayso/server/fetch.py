"""Pictures by URL: off unless enabled, https only, and never from inside this network.

A name is resolved once; when any of its addresses is not public the URL is refused; the connection goes to the very
address that was checked (the certificate is still checked against the name), so that a second answer of the name server
changes nothing. Redirects are followed by hand, each checked the same way.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from sayso.server.errors import ApiError, refused

HOPS = 3
Resolve = Callable[[str, int], list[str]]
FAILED = "failed_to_download_image"


def addresses(host: str, port: int) -> list[str]:
    """Every address of a host's name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, also when it hides in IPv6 (mapped, 6to4, Teredo, NAT64)."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    inner: list[ipaddress.IPv4Address] = []
    if isinstance(ip, ipaddress.IPv6Address):
        inner += [x for x in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if x is not None]
        if ip in ipaddress.ip_network("64:ff9b::/96") or ip in ipaddress.ip_network("::/96"):
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and all(x.is_global and not x.is_multicast for x in inner)


def checked(url: str, name: str, resolve: Resolve) -> tuple[str, int, str, str]:
    """(host, port, path with query, address to connect to). Raises ApiError 400 for anything that is not a public https URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as error:
        raise refused(name, f"'{name}' is not a URL; write https://…", "invalid_image_url") from error
    if parts.scheme != "https" or not host or parts.username is not None or any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise refused(name, f"'{name}' must be an https URL without a user name, or a data URL", "invalid_image_url")
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
        found = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise refused(name, f"the host of '{name}' was not found; check the URL", FAILED) from error
    if not found or not all(is_public(address) for address in found):
        raise refused(name, f"'{name}' leads to an address that is not public; send the picture itself instead", "invalid_image_url")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return host, port, path if path.isascii() else path.encode("ascii", "backslashreplace").decode(), found[0]


class _Pinned(http.client.HTTPSConnection):
    """Speaks to one address while the certificate and the Host header are those of the name."""

    def __init__(self, host: str, port: int, address: str, timeout: float):
        self._secure = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout, context=self._secure)
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._secure.wrap_socket(plain, server_hostname=self.host)


def download(
    url: str,
    name: str,
    most: int,
    seconds: float = 20.0,
    resolve: Resolve = addresses,
    connect: Callable[[str, int, str, float], http.client.HTTPConnection] = _Pinned,
) -> bytes:
    """The bytes behind a URL, at most `most`, within `seconds`. Raises ApiError 400."""
    deadline = time.monotonic() + seconds
    for _ in range(HOPS + 1):
        host, port, path, address = checked(url, name, resolve)
        connection = connect(host, port, address, max(0.1, deadline - time.monotonic()))
        try:
            connection.request("GET", path, headers={"Accept": "image/png, image/webp, image/jpeg", "User-Agent": "sayso"})
            answer = connection.getresponse()
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, answer.getheader("Location") or "")
                continue
            if answer.status != 200:
                raise refused(name, f"the host of '{name}' answered {answer.status}; check the URL", FAILED)
            return _body(answer, name, most, deadline)
        except ApiError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise refused(name, f"'{name}' could not be fetched; send the picture itself instead", FAILED) from error
        finally:
            connection.close()
    raise refused(name, f"'{name}' redirects more than {HOPS} times; give the last URL", FAILED)


def _body(answer: http.client.HTTPResponse, name: str, most: int, deadline: float) -> bytes:
    got = bytearray()
    while block := answer.read1(65_536):
        got += block
        if len(got) > most:
            raise refused(name, f"'{name}' has more than {most} bytes; send a smaller picture", "image_file_too_large")
        if time.monotonic() > deadline:
            raise refused(name, f"'{name}' came too slowly; send the picture itself instead", FAILED)
    return bytes(got)
