"""How a split assigns requests to its branches, and how events name who was assigned.

Anyone who knows the key can compute both: a caller, a consumer of events, another service.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

_DIGEST_BYTES = 8
_ALL = 1 << (8 * _DIGEST_BYTES)


def salt_of(service: str, number: int) -> str:
    """Return the salt of a service's split: its name, and from the second split on a number.

    `number` counts the splits of the graph from 1, in reading order. Salts differ, so that one key
    takes unrelated branches of two splits.
    """
    return service if number == 1 else f"{service}#{number}"


def point(salt: str, key: bytes) -> float:
    """Return where a key lies between 0 and 1, the same in every process and version.

    It is the BLAKE2b digest of 8 bytes of the salt, a zero byte and the key, as a big-endian number.
    """
    digest = blake2b(salt.encode() + b"\0" + key, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big") / _ALL


def branch_at(at: float, weights: Sequence[float]) -> int:
    """Return the branch at a point, by the weights in their order."""
    at *= sum(weights)
    for index, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return index
    return len(weights) - 1


def unit_of(key: bytes, secret: bytes = b"") -> str:
    """Return the name of a key in events: 16 hexadecimal digits of its keyed BLAKE2b digest.

    Equal keys have equal names in all services with the same secret. Without one, a key that is easy
    to guess can be found by trying keys.
    """
    keyed = blake2b(secret).digest() if secret else b""
    return blake2b(key, digest_size=_DIGEST_BYTES, key=keyed, person=b"servestack-unit").hexdigest()
