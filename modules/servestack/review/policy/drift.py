"""Rules on what the watch for drift needs."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.review.policy.artifacts import artifact_path
from servestack.review.policy.rule import Subject, Violation, rule
from servestack.review.policy.start import fetched
from servestack_contract.profile import FILE
from servestack_contract.references import entry_names


@rule("SRV690", "warning", "is watched for drift from the data that it was trained on")
def training_profile(subject: Subject) -> Iterator[Violation]:
    if subject.service.spec.monitoring.watched is None:
        return
    entries = entry_names(subject.settings)
    for index, model in fetched(subject):
        if model.name in entries and model.artifact.sha256 and not model.artifact.profile:
            yield Violation(
                artifact_path(subject, index),
                f"the lock knows of no {FILE} in the artifact of {model.name}: each pod compares with "
                "the first rows that it answers itself, and begins again at every restart",
                "train with servestack.profile(X, predictions).log(model_uri) and lock the new "
                "version; if it has a profile already: servestack lock --refresh",
            )
