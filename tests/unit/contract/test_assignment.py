"""How keys are spread over branches: evenly, for ever the same, and unrelated between splits."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from zlib import crc32

import pytest

from servestack_contract.assignment import branch_at, point, salt_of, unit_of

KEYS = 100_000


@pytest.mark.parametrize("form", ["{}", "user-{:08d}", "{:032x}", "request-{}@example.com"])
def test_shares_are_within_half_a_point_over_100_000_keys(form: str) -> None:
    weights = (70, 25, 5)
    found = Counter(
        branch_at(point("iris", form.format(number).encode()), weights) for number in range(KEYS)
    )
    for branch, weight in enumerate(weights):
        assert abs(100 * found[branch] / KEYS - weight) < 0.5


def test_a_key_keeps_its_branch_for_ever() -> None:
    """Written down, so that no version moves callers from one variant to another in the middle."""
    assert round(point("iris", b"user-1"), 9) == 0.773326464
    digest = blake2b(b"iris\0user-1", digest_size=8).hexdigest()
    assert point("iris", b"user-1") == int(digest, 16) / 2**64
    assert unit_of(b"user-1") == "286eee8da36d3a20"
    assert unit_of(b"user-1", b"secret") == "d5f1595b97923305"


def test_a_key_stays_where_the_first_share_grows() -> None:
    points = [point("iris", str(number).encode()) for number in range(2000)]
    before = [branch_at(at, (10, 90)) for at in points]
    after = [branch_at(at, (50, 50)) for at in points]
    assert all(later == 0 for earlier, later in zip(before, after, strict=True) if earlier == 0)


def test_two_splits_are_unrelated_and_so_is_the_sample_of_the_log() -> None:
    keys = [f"request-{number}".encode() for number in range(20_000)]
    first = [branch_at(point(salt_of("iris", 1), key), (50, 50)) for key in keys]
    second = [branch_at(point(salt_of("iris", 2), key), (50, 50)) for key in keys]
    assert abs(sum(a == b for a, b in zip(first, second, strict=True)) / len(keys) - 0.5) < 0.02
    sampled = [branch for key, branch in zip(keys, first, strict=True) if crc32(key) < 2**32 / 10]
    assert abs(sum(sampled) / len(sampled) - 0.5) < 0.05


def test_weights_may_have_any_sum_and_the_end_is_the_last_branch() -> None:
    assert [branch_at(at, (1, 1)) for at in (0.0, 0.499, 0.5, 0.999)] == [0, 0, 1, 1]
    assert branch_at(1.0, (0.1, 0.2)) == 1
