"""A review: the changes of an environment grouped by model and object, each with its effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from servestack.errors import Location, Problem
from servestack.manifests.manifest import ENVIRONMENT_GROUP, Manifest
from servestack.review.diff import Change, ObjectKey, Path, compare, key_of_manifest
from servestack.review.effects import (
    CATEGORIES,
    Category,
    Effect,
    effects_of,
    effects_together,
    in_order,
)
from servestack.review.effects.rollouts import is_takeover, is_workload, of_takeover
from servestack.review.mask import Vouched, vouched_in
from servestack.review.patched import place_of_patch


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a field of a live object: the field manager, and the time in UTC, ISO 8601."""

    manager: str
    time: str


@dataclass(frozen=True, slots=True)
class FieldReview:
    """One changed field and its effects, the most important first; at least one.

    `changed_by` is who changed a live field from what we set. `vouched` are the variables that the
    old and the new object call public. `patched_at` is the place of the patch that sets the field, or
    that set it before.
    """

    change: Change
    effects: tuple[Effect, ...]
    changed_by: Writer | None = None
    vouched: tuple[Vouched, Vouched] = (frozenset(), frozenset())
    patched_at: Location | None = None

    @property
    def effect(self) -> str:
        """The effects in one line."""
        return "; ".join(effect.words for effect in self.effects)

    @property
    def category(self) -> Category:
        """The most important category of the effects."""
        return min((effect.category for effect in self.effects), key=CATEGORIES.index)


@dataclass(frozen=True, slots=True)
class ObjectReview:
    """One object: added, removed or changed."""

    key: ObjectKey
    operation: str
    fields: tuple[FieldReview, ...]

    @property
    def category(self) -> Category:
        """The most important category of its fields."""
        return min((field.category for field in self.fields), key=CATEGORIES.index)


@dataclass(frozen=True, slots=True)
class GroupReview:
    """One model, or what belongs to the environment itself.

    `causes` are the fields that were changed by hand, where they are known. `settings` are changed
    fields of the environment that change no object. `together` are effects that no object shows by
    itself.
    """

    group: str
    objects: tuple[ObjectReview, ...]
    causes: tuple[str, ...] = ()
    settings: tuple[FieldReview, ...] = ()
    together: tuple[Effect, ...] = ()

    @property
    def categorised(self) -> tuple[Effect, ...]:
        """The effects, each once, by category; within one, those of the main object first."""
        ordered = sorted(self.objects, key=lambda review: _WEIGHT.get(review.key.kind, 9))
        fields = [*self.settings, *(field for review in ordered for field in review.fields)]
        return in_order((*(e for field in fields for e in field.effects), *self.together))

    @property
    def effects(self) -> tuple[str, ...]:
        """The words of `categorised`."""
        return tuple(effect.words for effect in self.categorised)

    def of_category(self, category: Category) -> tuple[str, ...]:
        """The words of the effects in a category."""
        return tuple(e.words for e in self.categorised if e.category == category)


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

    @property
    def setting_count(self) -> int:
        return sum(len(group.settings) for group in self.groups)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that occur, the most important first."""
        found = {effect.category for group in self.groups for effect in group.categorised}
        return tuple(category for category in CATEGORIES if category in found)


_WEIGHT = {
    "Namespace": 0,
    "Deployment": 1,
    "Rollout": 1,
    "HorizontalPodAutoscaler": 2,
    "ScaledObject": 2,
    "Service": 3,
    "Ingress": 3,
}


def review(
    environment: str,
    against: str,
    old: Iterable[Manifest],
    new: Iterable[Manifest],
    causes: Mapping[str, tuple[str, ...]] | None = None,
    settings: Sequence[FieldReview] = (),
) -> Review:
    """Compare two sets of manifests.

    `causes` and `settings` (of the environment, those that change no object) are given where the
    inputs of both are known.
    """
    old, new = tuple(old), tuple(new)
    before, after = ({key_of_manifest(m): m for m in manifests} for manifests in (old, new))
    changes = compare(old, new)
    known = causes or {}
    groups = []
    for group, grouped in groupby(changes, key=lambda change: change.object.group):
        of_group = tuple(grouped)
        objects = tuple(
            _object_review(key, tuple(of_object), before.get(key), after.get(key))
            for key, of_object in groupby(of_group, key=lambda change: change.object)
        )
        if is_takeover(of_group):
            objects = tuple(map(_taken_over, objects))
        own = known.get(group, ()) if group != ENVIRONMENT_GROUP else ()
        of_all = known.get(ENVIRONMENT_GROUP, ())
        together = effects_together(of_group, (m for m in new if m.group == group))
        groups.append(GroupReview(group, objects, (*own, *of_all), together=together))
    if settings:
        groups = _with_settings(groups, tuple(settings), known.get(ENVIRONMENT_GROUP, ()))
    return Review(environment, against, tuple(groups))


def _object_review(
    key: ObjectKey, changes: tuple[Change, ...], old: Manifest | None, new: Manifest | None
) -> ObjectReview:
    before, after = (None if item is None else item.body for item in (old, new))
    vouched = (vouched_in(before), vouched_in(after))
    fields = tuple(
        FieldReview(
            change,
            effects_of(change, before, after),
            vouched=vouched,
            patched_at=_patched_at((old, new), change.path),
        )
        for change in changes
    )
    first = changes[0]
    return ObjectReview(key, first.operation if not first.path else "change", fields)


def _taken_over(item: ObjectReview) -> ObjectReview:
    """A Deployment and a Rollout of which one takes over from the other."""
    fields = (
        replace(field, effects=of_takeover(field.change)) if is_workload(field.change) else field
        for field in item.fields
    )
    return replace(item, fields=tuple(fields))


def _patched_at(manifests: Sequence[Manifest | None], path: Path) -> Location | None:
    """The patch behind a change: of the object as it will be, or as it was."""
    for manifest in reversed(manifests):
        if manifest is not None and manifest.patches and path:
            place = place_of_patch(manifest, path)
            if place is not None:
                return place
    return None


def _with_settings(
    groups: list[GroupReview], settings: tuple[FieldReview, ...], causes: tuple[str, ...]
) -> list[GroupReview]:
    own = next((group for group in groups if group.group == ENVIRONMENT_GROUP), None)
    if own is None:
        return [GroupReview(ENVIRONMENT_GROUP, (), causes, settings), *groups]
    return [replace(group, settings=settings) if group is own else group for group in groups]
