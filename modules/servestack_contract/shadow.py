"""A shadow: another version of a model that gets copies of its requests, and answers nobody.

The generator writes what the model's server needs into FILE, beside the settings file. The server
reads it again when it changes, so that a shadow comes, goes and gets another share of the requests
without a restart of the pods that answer callers. So the file is no part of the settings file.
"""

from __future__ import annotations

from zlib import crc32

import msgspec

from servestack_contract.settings import Section

FILE = "shadow.json"
"""Name of the file, in the ConfigMap of the settings file."""

SENT: tuple[str, ...] = ("answered", "refused", "failed", "malformed", "timeout", "lost")
"""What became of a copy that was sent. `refused`: a status from 300 to 499. `failed`: 500 or more.
`malformed`: no HTTP. `timeout`: no answer in time. `lost`: the connection ended before the answer."""
DROPPED: tuple[str, ...] = ("queue_full", "expired", "unreachable", "turned_off", "stopping")
"""Why a copy was not sent. `queue_full`: too many waited, or too many bytes. `expired`: it waited
longer than an answer may take. `unreachable`: there was no connection."""

RESULTS: tuple[tuple[str, str], ...] = (
    *(("sent", reason) for reason in SENT),
    *(("dropped", reason) for reason in DROPPED),
)
"""(result, reason) of each copy: every copy ends in exactly one."""

_ALL = 1 << 32


class ShadowTraffic(Section, frozen=True):
    """Where copies go, which share of the answered requests is copied, and what may wait.

    `percent` is above 0 and up to 100. `timeout_seconds` is for one copy from its sending to the end
    of its answer. `max_queue` counts the copies that wait or are under way, `max_queued_bytes` their
    bytes on the wire.
    """

    host: str
    port: int = 80
    percent: float = 100
    timeout_seconds: float = 10
    max_queue: int = 1000
    max_queued_bytes: int = 16 << 20


def read_traffic(text: bytes) -> ShadowTraffic:
    """Parse the file's content. Raises ValueError that names the field that is wrong or unknown."""
    return msgspec.json.decode(text, type=ShadowTraffic)


def crc_limit(percent: float) -> int:
    """Return the limit for `is_copied` of a share in percent."""
    return round(percent / 100 * _ALL)


def is_copied(request_id: bytes, limit: int) -> bool:
    """Whether a request is copied. It depends on its id alone, so it is the same in every pod.

    The sample of `logging.predictions` is chosen likewise: with equal shares, the same requests are
    logged and copied.
    """
    return crc32(request_id) < limit
