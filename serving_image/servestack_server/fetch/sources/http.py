"""One file at an https address, and the HTTP client that MLflow's source uses too.

A download resumes with `Range` and `If-Range` (RFC 9110, 14.2 and 13.1.5), so that a server whose
file has changed, or that does not support ranges, sends the whole file.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from servestack_contract.sources import without_secrets
from servestack_server.errors import StartError
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.http_failures import failure_of
from servestack_server.fetch.sources.source import (
    CHUNK_BYTES,
    Listing,
    PassingError,
    Remote,
    Stream,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_CONNECT_SECONDS = 10.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d{1,18})-\d+/(?P<size>\d+|\*)")


class HttpClient:
    """Sends GET requests to a server, and follows its redirects. Others do not get `headers`.

    Messages name `shown`, or else the address that is asked.
    """

    def __init__(
        self,
        hint: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_timeout_seconds: float = 60.0,
        ca_file: str | None = None,
        shown: str = "",
    ) -> None:
        self.hint = hint
        self._artifact = shown
        self._headers = dict(headers or {})
        self._read_timeout_seconds = read_timeout_seconds
        self._ca_file = ca_file
        self._pools: dict[str, PoolManager] = {}

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[BaseHTTPResponse]:
        """Yield an answer with status 200, 206 or 416.

        Raises StartError if the server refuses, PassingError for a failure that may pass.
        """
        from urllib3.exceptions import HTTPError

        asked = dict(headers or {}) | {"Accept-Encoding": "identity"}
        response = self._follow(url, asked)
        try:
            self._check(response, url)
            yield response
        except HTTPError as error:
            raise failure_of(error, self._shown(url), self.hint) from None
        finally:
            response.close()

    @contextmanager
    def stream(self, url: str, start: int, validator: str) -> Iterator[Stream]:
        """Yield a file from byte `start` on, or from byte 0 if it changed or ranges are unsupported.

        Raises StartError and PassingError as `get`.
        """
        headers = {"Range": f"bytes={start}-", "If-Range": validator} if start and validator else {}
        with self.get(url, headers) as response:
            if response.status == HTTPStatus.OK:
                yield _stream(response, 0, response.headers.get("Content-Length"))
                return
            if not headers:
                raise PassingError(f"it answered {response.status} to a request for the whole file")
            span = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if (
                response.status == HTTPStatus.PARTIAL_CONTENT
                and span
                and int(span["start"]) == start
            ):
                yield _stream(response, start, span["size"])
                return
        with self.stream(url, 0, "") as whole:
            yield whole

    def _follow(self, url: str, asked: dict[str, str]) -> BaseHTTPResponse:
        from urllib3.exceptions import HTTPError

        here = url
        for _ in range(_MAX_REDIRECTS + 1):
            own = self._headers if _origin(here) == _origin(url) else {}
            try:
                response = self._pool(here).request(
                    "GET",
                    here,
                    headers=asked | own,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
            except HTTPError as error:
                raise failure_of(error, self._shown(url), self.hint) from None
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            here = _next_address(here, response.headers["Location"], self._shown(url))
        raise StartError(f"{self._shown(url)}: redirects too many times", self.hint)

    def _check(self, response: BaseHTTPResponse, url: str) -> None:
        status, shown = response.status, self._shown(url)
        if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, 416):
            return
        answer = f"answered {status}{_named(status)}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise StartError(f"{shown}: access is refused: {answer}", self.hint)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise StartError(f"{shown}: is not there: {answer}", "check the address")
        if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
            raise PassingError(answer, _retry_after_seconds(response))
        raise StartError(f"{shown}: {answer}", self.hint)

    def _shown(self, url: str) -> str:
        return self._artifact or without_secrets(url)

    def _pool(self, url: str) -> PoolManager:
        """Return the connections for an address: direct, or through the environment's proxy."""
        from urllib3 import PoolManager, ProxyManager, Timeout

        parts = urlsplit(url)
        bypassed = proxy_bypass(parts.hostname or "")
        proxy = "" if bypassed else getproxies().get(parts.scheme, "")
        if proxy not in self._pools:
            timeout = Timeout(connect=_CONNECT_SECONDS, read=self._read_timeout_seconds)
            context = self._trust()
            self._pools[proxy] = (
                ProxyManager(proxy, timeout=timeout, ssl_context=context)
                if proxy
                else PoolManager(timeout=timeout, ssl_context=context)
            )
        return self._pools[proxy]

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            reason = f"no certificates can be read from {self._ca_file}: {error.strerror or error}"
            raise StartError(reason, "use a file of certificates in PEM format") from None


class HttpsSource:
    """One file, named by the last part of its address."""

    hint = "check the address, and that it can be read without signing in"

    def __init__(self, uri: str) -> None:
        self.shown = without_secrets(uri)
        self._uri = uri
        self._client = HttpClient(self.hint)

    def list_files(self) -> Listing:
        """List the one file, without asking the server."""
        name = unquote(urlsplit(self._uri).path).rpartition("/")[2] or "artifact"
        return Listing((Remote(checked_path(name, self.shown)),), is_folder=False)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open the file from byte `start` on, or from byte 0 as `HttpClient.stream` does."""
        with self._client.stream(self._uri, start, validator) as stream:
            yield stream


def _stream(response: BaseHTTPResponse, start: int, size: str | None) -> Stream:
    # Equal weak tags do not mean equal bytes (RFC 9110, 8.8.1), so only a strong tag is used.
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    return Stream(start, number_of(size or ""), validator, chunks_of(response))


def number_of(text: str) -> int | None:
    """Read a number of bytes from a server's text; None if it is not one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def chunks_of(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the body of an answer as it arrives. May raise errors of urllib3."""
    if response.chunked:
        yield from response.read_chunked(CHUNK_BYTES, decode_content=False)
        return
    # `read1` returns what has arrived, so it is kept if the connection breaks. `read` would wait
    # for a whole chunk.
    while data := response.read1(CHUNK_BYTES, decode_content=False):
        yield data


def _next_address(here: str, location: str, shown: str) -> str:
    """Return where a redirect leads. Raises StartError for a redirect from https to plain http."""
    try:
        there = urljoin(here, location)
        scheme = urlsplit(there).scheme
    except ValueError:
        raise StartError(f"{shown}: redirects to something that is not an address") from None
    if scheme not in (("https",) if urlsplit(here).scheme == "https" else ("http", "https")):
        message = f"{shown}: redirects to {without_secrets(there)}, which is not https"
        raise StartError(message, "use the final https address itself")
    return there


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _named(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _retry_after_seconds(response: BaseHTTPResponse) -> float:
    """Return the seconds of Retry-After, 0 without one. A date is compared with the server's clock.

    Source: RFC 9110, 10.2.3.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        now = parsedate_to_datetime(response.headers.get("Date", ""))
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0
