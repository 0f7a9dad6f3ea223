"""What is kept of the engine's events."""

from __future__ import annotations

from types import SimpleNamespace

from servestack.apply.events import Events, Step


def before(operation: str, resource_type: str, name: str, *, planning: bool) -> SimpleNamespace:
    urn = f"urn:pulumi:prod::servestack::a${resource_type}::{name}"
    metadata = SimpleNamespace(op=operation, type=resource_type, urn=urn)
    event = SimpleNamespace(metadata=metadata, planning=planning)
    return SimpleNamespace(diagnostic_event=None, resource_pre_event=event)


DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def test_a_preview_plans_and_an_update_begins() -> None:
    events = Events()
    begun: list[Step] = []
    events.on_begin = begun.append
    events.take(before("update", DEPLOYMENT, "iris/deployment-iris", planning=True))
    assert events.planned == [Step("update", "Deployment", "iris/deployment-iris")]
    assert begun == []
    events.take(before("update", DEPLOYMENT, "iris/deployment-iris", planning=False))
    assert begun == events.begun == events.planned


def test_what_deletes_is_an_object_and_no_patch() -> None:
    events = Events()
    for operation, kind in (
        ("delete", DEPLOYMENT),
        ("delete-replaced", "kubernetes:core/v1:Service"),
        ("delete", "kubernetes:core/v1:NamespacePatch"),
        ("delete", "servestack:index:ModelService"),
        ("update", DEPLOYMENT),
    ):
        events.take(before(operation, kind, "iris/x", planning=True))
    assert [step.kind for step in events.planned if step.deletes] == ["Deployment", "Service"]


def test_each_operation_begins_with_nothing() -> None:
    events = Events()
    events.take(before("update", DEPLOYMENT, "iris/deployment-iris", planning=True))
    events.errors.append(("iris", "no"))
    events.forget()
    assert (events.planned, events.begun, events.errors) == ([], [], [])
