"""A review: the changes of an environment grouped by model and object, each with its effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from servestack.errors import Location, Problem
from servestack.manifests.manifest import ENVIRONMENT_GROUP, Manifest
from servestack.review.diff import Change, ObjectKey, Path, compare, key_of_manifest
from servestack.review.effects import effect_of
from servestack.review.mask import Vouched, vouched_in
from servestack.review.patched import place_of_patch


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a field of a live object: the field manager, and the time in UTC, ISO 8601."""

    manager: str
    time: str


@dataclass(frozen=True, slots=True)
class FieldReview:
    """One changed field and its effect; `changed_by` is who changed a live one from what we set.

    `vouched` are the variables that the old and the new object call public. `patched_at` is the
    place of the patch that sets the field, or that set it before.
    """

    change: Change
    effect: str
    changed_by: Writer | None = None
    vouched: tuple[Vouched, Vouched] = (frozenset(), frozenset())
    patched_at: Location | None = None


@dataclass(frozen=True, slots=True)
class ObjectReview:
    """One object: added, removed or changed."""

    key: ObjectKey
    operation: str
    fields: tuple[FieldReview, ...]


@dataclass(frozen=True, slots=True)
class GroupReview:
    """One model, or what belongs to the environment itself.

    `causes` are the fields that were changed by hand, where they are known.
    """

    group: str
    objects: tuple[ObjectReview, ...]
    causes: tuple[str, ...] = ()

    @property
    def effects(self) -> tuple[str, ...]:
        """The effects, each once, those of the most important object first."""
        ordered = sorted(self.objects, key=lambda review: _WEIGHT.get(review.key.kind, 9))
        effects = [field.effect for review in ordered for field in review.fields]
        parts = [part.strip() for effect in effects for part in effect.split(";")]
        return tuple(dict.fromkeys(parts))


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that changes in an environment; `against` names what it is compared with.

    `problems` are about objects that could not be compared.
    """

    environment: str
    against: str
    groups: tuple[GroupReview, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.groups

    @property
    def object_count(self) -> int:
        return sum(len(group.objects) for group in self.groups)


_WEIGHT = {
    "Namespace": 0,
    "Deployment": 1,
    "HorizontalPodAutoscaler": 2,
    "Service": 3,
    "Ingress": 3,
}


def review(
    environment: str,
    against: str,
    old: Iterable[Manifest],
    new: Iterable[Manifest],
    causes: Mapping[str, tuple[str, ...]] | None = None,
) -> Review:
    """Compare two sets of manifests. `causes` are given where the inputs of both are known."""
    before, after = tuple(old), tuple(new)
    changes = compare(before, after)
    sides = [{key_of_manifest(item): item for item in side} for side in (before, after)]
    groups = []
    for group, of_group in groupby(changes, key=lambda change: change.object.group):
        objects = [
            ObjectReview(key, _operation(fields), fields)
            for key, fields in (
                (key, _fields(key, of_object, sides))
                for key, of_object in groupby(of_group, key=lambda change: change.object)
            )
        ]
        known = causes or {}
        own = known.get(group, ()) if group != ENVIRONMENT_GROUP else ()
        groups.append(GroupReview(group, tuple(objects), (*own, *known.get(ENVIRONMENT_GROUP, ()))))
    return Review(environment, against, tuple(groups))


def _fields(
    key: ObjectKey, changes: Iterable[Change], sides: Sequence[Mapping[ObjectKey, Manifest]]
) -> tuple[FieldReview, ...]:
    manifests = [side.get(key) for side in sides]
    old, new = (vouched_in(None if item is None else item.body) for item in manifests)
    return tuple(
        FieldReview(
            change,
            effect_of(change),
            vouched=(old, new),
            patched_at=_patched_at(manifests, change.path),
        )
        for change in changes
    )


def _patched_at(manifests: Sequence[Manifest | None], path: Path) -> Location | None:
    """The patch behind a change: of the object as it will be, or as it was."""
    for manifest in reversed(manifests):
        if manifest is not None and manifest.patches and path:
            place = place_of_patch(manifest, path)
            if place is not None:
                return place
    return None


def _operation(fields: tuple[FieldReview, ...]) -> str:
    first = fields[0].change
    return first.operation if not first.path else "change"
