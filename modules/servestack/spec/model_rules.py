"""Rules between the fields of a ModelService. Each names both values and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from servestack.spec.document import DataPath, dotted
from servestack.spec.experiment_rules import experiment_faults
from servestack.spec.exposure_rules import exposure_faults
from servestack.spec.faults import Fault
from servestack.spec.graph import Router, Split, model_names
from servestack.spec.input_rules import input_faults
from servestack.spec.model_service import CANARY_SUFFIX, NAME_MAX_LENGTH, ModelService
from servestack.spec.pod_rules import containers_of, pod_faults, stop_seconds, stops_first
from servestack.spec.quantities import byte_count, millicores
from servestack.spec.reserved import RESERVED_FOR_FETCHING, RESERVED_LABELS, RESERVED_VARIABLES
from servestack.spec.scaling import Toleration
from servestack.spec.shadow_rules import shadow_faults
from servestack.spec.taken_rules import taken_faults
from servestack.spec.variables import EnvironmentVariable


def model_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield every fault between fields, in the order of the reference."""
    for rule in _RULES:
        yield from rule(spec)


def _artifacts(spec: ModelService) -> Iterator[Fault]:
    if spec.artifact is None and spec.models is None:
        yield Fault("SRV121", ("artifact",), "is required", "write `artifact: models:/name@alias`")
    if spec.artifact is not None and spec.models is not None:
        yield Fault(
            "SRV121",
            ("models",),
            "cannot be set together with artifact",
            "keep one of the two",
            (("artifact",),),
        )
    seen: dict[str, int] = {}
    for index, model in enumerate(spec.models or ()):
        if model.name in seen:
            yield Fault(
                "SRV122",
                ("models", index, "name"),
                f"{model.name!r} is also the name of models[{seen[model.name]}]",
                "give each model a different name",
            )
        seen.setdefault(model.name, index)


def _graph(spec: ModelService) -> Iterator[Fault]:
    if spec.graph is None:
        return
    names = [model.name for model in spec.models or ()]
    used = model_names(spec.graph)
    if spec.models is None:
        yield Fault("SRV123", ("graph",), "needs `models`", "list the models of the graph there")
        return
    for name in dict.fromkeys(used):
        if name not in names:
            yield Fault(
                "SRV123",
                ("graph",),
                f"uses {name!r}, which is not in models",
                f"the models are {', '.join(names)}",
            )
    for index, name in enumerate(names):
        if name not in used:
            yield Fault(
                "SRV123",
                ("models", index, "name"),
                f"{name!r} is not used by graph",
                "use it there, or remove it",
            )
    yield from _graph_nodes(spec.graph, ("graph",))


def _graph_nodes(node: object, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if isinstance(node, Split):
        total = sum(branch.weight for branch in node.branches)
        if total != 100:
            yield Fault(
                "SRV124", (*path, "branches"), f"weights add up to {total}", "make the sum 100"
            )
    if isinstance(node, Router):
        values = [repr(case.equals) for case in node.cases]
        for index, value in enumerate(values):
            if value in values[:index]:
                yield Fault(
                    "SRV124",
                    (*path, "cases", index, "equals"),
                    f"{value} already has a case",
                    "keep one of the two",
                )
    for key in ("branches", "cases", "steps", "nodes", "arms"):
        for index, child in enumerate(getattr(node, key, ())):
            inner = getattr(child, "node", None)
            here = (*path, key, index)
            yield from _graph_nodes(*((child, here) if inner is None else (inner, (*here, "node"))))
    if isinstance(node, Router):
        yield from _graph_nodes(node.otherwise, (*path, "otherwise"))


def _scaling(spec: ModelService) -> Iterator[Fault]:
    scaling = spec.autoscaling
    if scaling is None:
        return
    low, high = ("autoscaling", "min"), ("autoscaling", "max")
    if scaling.min > scaling.max:
        yield Fault(
            "SRV125",
            low,
            f"{scaling.min} is above autoscaling.max {scaling.max}",
            f"lower min or raise max to {scaling.min} or more",
            (high,),
        )
    elif spec.replicas is not None and not scaling.min <= spec.replicas <= scaling.max:
        side = "below autoscaling.min" if spec.replicas < scaling.min else "above autoscaling.max"
        bound = scaling.min if spec.replicas < scaling.min else scaling.max
        yield Fault(
            "SRV126",
            ("replicas",),
            f"{spec.replicas} is {side} {bound}",
            f"write {scaling.min} to {scaling.max}, or remove replicas",
            (low, high),
        )
    if scaling.cpu_percent is None and scaling.in_flight_per_pod is None:
        yield Fault(
            "SRV127",
            ("autoscaling", "cpuPercent"),
            "null leaves no metric to scale by",
            "write cpuPercent or inFlightPerPod",
            (("autoscaling", "inFlightPerPod"),),
        )


def _runtime(spec: ModelService) -> Iterator[Fault]:
    if spec.onnx_tolerance is not None and spec.runtime != "onnx":
        yield Fault(
            "SRV140",
            ("onnxTolerance",),
            f"has no meaning with runtime: {spec.runtime}",
            "remove it, or write runtime: onnx",
            (("runtime",),),
        )


def _resources(spec: ModelService) -> Iterator[Fault]:
    asked, limits = spec.resources, spec.resources.limits
    pairs: tuple[tuple[str, str, str | None, Callable[[str], int]], ...] = (
        ("cpu", asked.cpu, limits.cpu, millicores),
        ("memory", asked.memory, limits.memory, byte_count),
    )
    for name, request, limit, measure in pairs:
        if limit is not None and measure(limit) < measure(request):
            yield Fault(
                "SRV128",
                ("resources", "limits", name),
                f"{limit} is below resources.{name} {request}",
                f"raise it to {request} or more",
                (("resources", name),),
            )
    body, buffered = spec.api.limits.max_body, spec.api.limits.max_buffered
    if buffered is not None and byte_count(buffered) < byte_count(body):
        yield Fault(
            "SRV128",
            ("api", "limits", "maxBuffered"),
            f"{buffered} is below api.limits.maxBody {body}",
            f"raise it to {body} or more: larger bodies would never be taken",
            (("api", "limits", "maxBody"),),
        )
    budget, disk = spec.logging.disk_budget, limits.ephemeral_storage
    if byte_count(budget) * 2 > byte_count(disk):
        yield Fault(
            "SRV129",
            ("logging", "diskBudget"),
            f"{budget} is over half of resources.limits.ephemeralStorage {disk}",
            "lower it or raise ephemeralStorage: the artifact and temporary files need disk too",
            (("resources", "limits", "ephemeralStorage"),),
        )
    if byte_count(spec.logging.max_event) * 4 > byte_count(budget):
        yield Fault(
            "SRV129",
            ("logging", "maxEvent"),
            f"{spec.logging.max_event} is over a quarter of logging.diskBudget {budget}",
            "lower it or raise diskBudget",
            (("logging", "diskBudget"),),
        )


def _timing(spec: ModelService) -> Iterator[Fault]:
    timeout, grace = spec.api.limits.timeout_seconds, spec.shutdown.request_seconds
    if timeout > grace:
        yield Fault(
            "SRV130",
            ("api", "limits", "timeoutSeconds"),
            f"{timeout:g} is above shutdown.requestSeconds {grace}",
            "raise requestSeconds: a pod that stops cuts off requests that take longer",
            (("shutdown", "requestSeconds"),),
        )
    needed = spec.startup.timeout_seconds + spec.rollout.min_ready_seconds
    if spec.rollout.progress_deadline_seconds <= needed:
        yield Fault(
            "SRV130",
            ("rollout", "progressDeadlineSeconds"),
            f"{spec.rollout.progress_deadline_seconds} is not above startup.timeoutSeconds "
            f"{spec.startup.timeout_seconds} + rollout.minReadySeconds "
            f"{spec.rollout.min_ready_seconds}",
            f"raise it, for example to {needed + 60}",
            (("startup", "timeoutSeconds"), ("rollout", "minReadySeconds")),
        )
    elif stops_first(spec) and spec.rollout.progress_deadline_seconds <= needed + stop_seconds(
        spec
    ):
        yield Fault(
            "SRV130",
            ("rollout", "progressDeadlineSeconds"),
            f"{spec.rollout.progress_deadline_seconds} is not above the {needed} s of startup and "
            f"minReadySeconds + the {stop_seconds(spec)} s in which the old pod stops",
            "raise it: with rollout.maxSurge 0 a new pod may have to wait for what the old one holds, "
            f"for example to {needed + stop_seconds(spec) + 60}",
            (
                ("rollout", "maxSurge"),
                ("startup", "timeoutSeconds"),
                ("shutdown", "requestSeconds"),
            ),
        )
    slo = spec.monitoring.slo
    if slo and slo.latency and slo.latency.milliseconds > timeout * 1000:
        yield Fault(
            "SRV130",
            ("monitoring", "slo", "latency", "milliseconds"),
            f"{slo.latency.milliseconds:g} is above api.limits.timeoutSeconds {timeout:g}",
            "lower it: the server ends slower requests",
            (("api", "limits", "timeoutSeconds"),),
        )


def _rollout(spec: ModelService) -> Iterator[Fault]:
    rollout, strategy = spec.rollout, ("rollout", "strategy")
    for field, strategies in (
        ("steps", ("canary",)),
        ("bake_minutes", ("canary", "blueGreen")),
        ("checks", ("canary", "blueGreen")),
    ):
        if field in rollout.model_fields_set and rollout.strategy not in strategies:
            key = "bakeMinutes" if field == "bake_minutes" else field
            yield Fault(
                "SRV131",
                ("rollout", key),
                f"applies only to strategy: {' and '.join(strategies)}",
                f"remove it, or write strategy: {strategies[0]}",
                (strategy,),
            )
    weights = [step.weight for step in rollout.all_steps] if rollout.steps else []
    if rollout.strategy == "canary" and weights:
        if any(later <= earlier for earlier, later in pairwise(weights)) or weights[-1] != 100:
            yield Fault(
                "SRV131",
                ("rollout", "steps"),
                f"{weights} does not rise to 100",
                "write steps: [5, 25, 100]",
            )
        elif rollout.all_steps[-1].minutes is not None:
            yield Fault(
                "SRV131",
                ("rollout", "steps", len(weights) - 1, "minutes"),
                "says how long the step of 100% lasts, which is what bakeMinutes says",
                "write rollout.bakeMinutes",
                (("rollout", "bakeMinutes"),),
            )
    longest = NAME_MAX_LENGTH - len(CANARY_SUFFIX)
    if rollout.strategy != "rolling" and len(spec.name) > longest:
        yield Fault(
            "SRV581",
            ("name",),
            f"{spec.name}{CANARY_SUFFIX}, a Service of the rollout, would have "
            f"{len(spec.name) + len(CANARY_SUFFIX)} characters, and may have {NAME_MAX_LENGTH}",
            f"choose a name with up to {longest} characters, or write rollout.strategy: rolling",
            (strategy,),
        )


def _variables(spec: ModelService) -> Iterator[Fault]:
    yield from _variable_faults(spec.env, ("env",), RESERVED_VARIABLES)
    for path, container in containers_of(spec):
        yield from _variable_faults(container.env, (*path, "env"))
    yield from _variable_faults(spec.fetch.env, ("fetch", "env"), RESERVED_FOR_FETCHING)


def _variable_faults(
    variables: Sequence[EnvironmentVariable], at: DataPath, reserved: tuple[str, ...] = ()
) -> Iterator[Fault]:
    """Yield the faults of a container's variables. `at` is the path of their list."""
    seen: dict[str, int] = {}
    for index, variable in enumerate(variables):
        path = (*at, index)
        if variable.name in seen:
            yield Fault(
                "SRV132",
                (*path, "name"),
                f"{variable.name} is already set by {dotted(at)}[{seen[variable.name]}]",
                "keep one of the two",
            )
        seen.setdefault(variable.name, index)
        if variable.name.startswith(reserved):
            yield Fault(
                "SRV132",
                (*path, "name"),
                f"{variable.name} is set by servestack itself",
                f"choose a name that does not start with {' or '.join(reserved)}",
            )
        if (variable.value is None) == (variable.value_from is None):
            yield Fault(
                "SRV132",
                path,
                "needs exactly one of value and valueFrom",
                "write value: text, or valueFrom: {secret: name, key: key}",
            )
        elif variable.public and variable.value is None:
            yield Fault(
                "SRV148",
                (*path, "public"),
                "vouches for a value, and valueFrom has none here",
                "remove it",
                ((*path, "valueFrom"),),
            )


def _labels(spec: ModelService) -> Iterator[Fault]:
    for section, keys in (("labels", spec.labels), ("annotations", spec.annotations)):
        for key in keys:
            if key.startswith(RESERVED_LABELS):
                yield Fault(
                    "SRV134",
                    (section, key),
                    "is reserved for servestack and Kubernetes",
                    "use your own domain, such as example.com/cost-centre",
                )
    yield from toleration_faults(spec.scheduling.tolerations, ("scheduling", "tolerations"))


def toleration_faults(tolerations: Sequence[Toleration], at: DataPath) -> Iterator[Fault]:
    """Yield the faults of tolerations. `at` is the path of their list."""
    for index, toleration in enumerate(tolerations):
        path = (*at, index)
        if toleration.operator == "Exists" and toleration.value is not None:
            yield Fault("SRV135", (*path, "value"), "has no meaning with Exists", "remove it")
        if toleration.operator == "Equal" and toleration.key is None:
            yield Fault("SRV135", path, "Equal needs a key", "write key, or operator: Exists")


_RULES: tuple[Callable[[ModelService], Iterator[Fault]], ...] = (
    _artifacts,
    _graph,
    _runtime,
    taken_faults,
    input_faults,
    _scaling,
    _resources,
    pod_faults,
    _timing,
    _rollout,
    shadow_faults,
    experiment_faults,
    _variables,
    exposure_faults,
    _labels,
)
