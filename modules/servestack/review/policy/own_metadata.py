"""Rules that check what became of the labels and annotations of a spec."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.manifests.monitoring import scrape_annotations
from servestack.review.policy.rule import Path, Subject, Violation, rule


@rule("SRV540", "error", "keeps the labels and annotations of its spec")
def kept_metadata(subject: Subject) -> Iterator[Violation]:
    """Whatever builder sets them: a user's word that is replaced in silence looks like a mistake."""
    spec = subject.service.spec
    template = subject.deployment["spec"]["template"]["metadata"]
    wanted = [
        (f"{m.kind} {m.name}", "labels", spec.labels, m.body["metadata"]) for m in subject.manifests
    ]
    wanted.append(("the pods", "labels", spec.labels, template))
    wanted.append(("the pods", "annotations", spec.annotations, template))
    told: set[Path] = set()
    for place, section, own, metadata in wanted:
        for key, value in own.items():
            found = metadata.get(section, {}).get(key)
            path: Path = (section, key)
            if found != value and path not in told:
                told.add(path)
                yield Violation(
                    path,
                    f"{value!r} would be lost: servestack or the environment sets {found!r} on {place}",
                    "remove it, or use another key",
                )


@rule("SRV541", "warning", "is scraped where its alerts need it")
def scraped(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    monitoring, annotations = service.spec.monitoring, service.spec.annotations
    if not monitoring.alerts and monitoring.slo is None:
        return
    for key, value in scrape_annotations(service).items():
        own = annotations.get(key, value)
        if own != value:
            yield Violation(
                ("annotations", key),
                f"{own!r} instead of {value!r}: Prometheus does not see this model's metrics, and "
                "its alerts report that it is down",
                "write monitoring: {alerts: false, slo: null} too, or remove the annotation",
            )
