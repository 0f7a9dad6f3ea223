"""The ids that the server gives to requests."""

from __future__ import annotations

import uuid

from servestack_server.http.request_id import RequestIds


def test_ids_are_uuids_and_differ() -> None:
    ids = RequestIds()
    made = [ids.next().decode() for _ in range(70_000)]
    assert len(set(made)) == len(made)
    for one in made[::97]:
        parsed = uuid.UUID(one)
        assert str(parsed) == one
        assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)


def test_two_processes_make_different_ids() -> None:
    first, second = RequestIds(), RequestIds()
    assert not {first.next() for _ in range(1000)} & {second.next() for _ in range(1000)}
