"""Checks the API keys of a mounted file, one per line. A changed file needs no restart.

Empty lines, and lines that begin with #, are no keys.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from http import HTTPStatus
from pathlib import Path

from servestack_contract.settings import ApiKeys
from servestack_server.errors import RequestError, StartError
from servestack_server.http.request import Request

log = logging.getLogger(__name__)


class KeyCheck:
    """Accepts requests that carry one of the keys. Raises StartError if the file is unreadable."""

    def __init__(self, settings: ApiKeys, realm: str = "servestack") -> None:
        self._file = Path(settings.file)
        self._header = settings.header.lower().encode()
        self._name = settings.header
        # A 401 must name a scheme (RFC 9110, 15.5.2), and none is registered for keys in a header.
        self._challenge = b'www-authenticate: ApiKey realm="%b"\r\n' % realm.encode()
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._digests: tuple[bytes, ...] = ()
        try:
            self._read()
        except (OSError, UnicodeDecodeError) as error:
            raise StartError(
                f"{self._file}: the API keys cannot be read: {error}",
                "mount the Secret that api.auth.apiKeys names",
            ) from None

    def __call__(self, request: Request) -> None:
        """Raise RequestError (401) unless the request has an accepted key.

        The comparison takes constant time.
        """
        given = request.headers.get(self._header)
        if given is not None:
            digest = hashlib.sha256(given).digest()
            accepted = False
            for known in self._digests:  # No early exit: it would leak which key matched.
                accepted |= hmac.compare_digest(digest, known)
            if accepted:
                return
        message = "the key is not accepted" if given else f"send a key in the header {self._name}"
        raise RequestError(
            HTTPStatus.UNAUTHORIZED, "unauthorized", message, headers=self._challenge
        )

    def refresh(self) -> None:
        """Read the file again if it has changed. If it is unreadable, the old keys stay valid."""
        try:
            if self._stamp() != self._seen:
                self._read()
                log.info("API keys read again: %d", len(self._digests))
        except (OSError, UnicodeDecodeError) as error:
            log.warning("API keys cannot be read again, so the old ones stay valid: %s", error)

    def _read(self) -> None:
        seen = self._stamp()
        keys = [line.strip() for line in self._file.read_text(encoding="utf-8").splitlines()]
        self._digests = tuple(
            hashlib.sha256(key.encode()).digest() for key in keys if key and not key.startswith("#")
        )
        self._seen = seen
        if not self._digests:
            log.warning("%s holds no key, so every request is refused", self._file)

    def _stamp(self) -> tuple[int, int, int]:
        status = self._file.stat()  # Follows the link that the kubelet swaps.
        return status.st_mtime_ns, status.st_ino, status.st_size
