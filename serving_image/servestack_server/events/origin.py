"""What events say about the pod that wrote them."""

from __future__ import annotations

import msgspec

from servestack_contract import variant
from servestack_contract.variant import Variant


class Origin(msgspec.Struct, frozen=True):
    """The pod's side of a rollout, and the digest of its settings file (empty: not known)."""

    variant: Variant = variant.DEFAULT
    spec_digest: str = ""

    def members(self) -> dict[str, str]:
        """Return what goes into an event's data."""
        digest = {"specDigest": self.spec_digest} if self.spec_digest else {}
        return digest | {"variant": self.variant}
