"""One file at an https address, and the client that MLflow's source uses too.

Ranges as in RFC 9110: a download goes on with `Range` and `If-Range`, so that a server whose file
has changed, or that knows no ranges, sends it whole.
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

from servestack_server.errors import StartError
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.http_failures import failure_of
from servestack_server.fetch.sources.source import (
    CHUNK_BYTES,
    Listing,
    PassingError,
    Remote,
    Stream,
    without_secrets,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_CONNECT_SECONDS = 10.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d{1,18})-\d+/(?P<size>\d+|\*)")


class HttpClient:
    """Gets, from one server and from where it redirects to. `headers` go to that server alone."""

    def __init__(
        self,
        hint: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_timeout_seconds: float = 60.0,
        ca_file: str | None = None,
    ) -> None:
        self.hint = hint
        self._headers = dict(headers or {})
        self._read_timeout_seconds = read_timeout_seconds
        self._ca_file = ca_file
        self._pools: dict[str, PoolManager] = {}

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[BaseHTTPResponse]:
        """An answer of 200, 206 or 416. StartError for refusals, PassingError for what may pass."""
        from urllib3.exceptions import HTTPError

        asked = dict(headers or {}) | {"Accept-Encoding": "identity"}
        response = self._follow(url, asked)
        try:
            self._check(response, url)
            yield response
        except HTTPError as error:
            raise failure_of(error, without_secrets(url), self.hint) from None
        finally:
            response.close()

    @contextmanager
    def stream(self, url: str, start: int, validator: str) -> Iterator[Stream]:
        """A file from byte `start` on, or from its first where the server cannot or it changed."""
        headers = {"Range": f"bytes={start}-", "If-Range": validator} if start and validator else {}
        with self.get(url, headers) as response:
            if response.status == HTTPStatus.OK:
                yield _stream(response, 0, response.headers.get("Content-Length"))
                return
            if not headers:
                raise PassingError(
                    f"it answered {response.status} to a question for the whole file"
                )
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
                raise failure_of(error, without_secrets(url), self.hint) from None
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            here = _next_address(here, response.headers["Location"], without_secrets(url))
        raise StartError(f"{without_secrets(url)}: leads from address to address", self.hint)

    def _check(self, response: BaseHTTPResponse, url: str) -> None:
        status, shown = response.status, without_secrets(url)
        if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, 416):
            return
        answer = f"answered {status}{_named(status)}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise StartError(f"{shown}: access is refused: {answer}", self.hint)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise StartError(f"{shown}: is not there: {answer}", "is the address right?")
        if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
            raise PassingError(answer, _retry_after_seconds(response))
        raise StartError(f"{shown}: {answer}", self.hint)

    def _pool(self, url: str) -> PoolManager:
        """Straight to the server, or through the proxy that the environment names."""
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
            raise StartError(reason, "a file of certificates in PEM") from None


class HttpsSource:
    """One file, named by the last part of its address."""

    hint = "is the address right, and can it be read without signing in?"

    def __init__(self, uri: str) -> None:
        self.shown = without_secrets(uri)
        self._uri = uri
        self._client = HttpClient(self.hint)

    def list_files(self) -> Listing:
        """The one file; the server is not asked."""
        name = unquote(urlsplit(self._uri).path).rpartition("/")[2] or "artifact"
        return Listing((Remote(checked_path(name, self.shown)),), is_folder=False)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """The file, from `start` on where the server can."""
        with self._client.stream(self._uri, start, validator) as stream:
            yield stream


def _stream(response: BaseHTTPResponse, start: int, size: str | None) -> Stream:
    # A weak tag stands for the same meaning, not for the same bytes.
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    return Stream(start, number_of(size or ""), validator, _chunks(response))


def number_of(text: str) -> int | None:
    """A count of bytes that a server has written; nothing for what cannot be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    if response.chunked:
        yield from response.read_chunked(CHUNK_BYTES, decode_content=False)
        return
    # What came before the line broke is kept; `read` would hold back all but whole chunks.
    while data := response.read1(CHUNK_BYTES, decode_content=False):
        yield data


def _next_address(here: str, location: str, shown: str) -> str:
    """Where a redirect leads. StartError for one from https to where bytes can be changed."""
    try:
        there = urljoin(here, location)
        scheme = urlsplit(there).scheme
    except ValueError:
        raise StartError(f"{shown}: leads to what is not an address") from None
    if scheme not in (("https",) if urlsplit(here).scheme == "https" else ("http", "https")):
        message = f"{shown}: leads to {without_secrets(there)}, which is not https"
        raise StartError(message, "name the https address itself")
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
    """Seconds, or a date beside the server's own clock. Source: RFC 9110, 10.2.3."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        now = parsedate_to_datetime(response.headers.get("Date", ""))
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0
