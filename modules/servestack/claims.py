"""What several environments of a project claim in one cluster: objects, and public addresses.

Each environment is rendered and applied by itself, so nothing else would see that two of them
overwrite each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

from servestack.errors import Problem, ServestackError
from servestack.manifests.assemble import ENVIRONMENT_BUILDERS
from servestack.project import STACKS_FOLDER, environment_names
from servestack.resolve.addresses import public_hosts
from servestack.resolve.environment import deployed
from servestack.resolve.provenance import Provenance
from servestack.resolve.public_paths import field_of_path, place_of_path, taken_path
from servestack.resolve.service import effective_spec
from servestack.spec.document import dotted
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded, load_environment
from servestack.spec.model_files import ModelFiles, load_model_files
from servestack.spec.model_service import ModelService

OBJECTS_ID = "SRV207"
ADDRESS_ID = "SRV208"
_KUBECONFIG = "~/.kube/config"
_SHOWN = 3
"""How many objects a message names."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that two environments claim. `environments` are both, the later one first."""

    environments: tuple[str, str]
    problem: Problem


def find_claims(root: Path, asked: Collection[str] | None = None) -> tuple[Claim, ...]:
    """Return what environments of a project claim together, in the order of their names.

    With `asked`, only what one of these environments claims. Files that are not valid are left out:
    they are reported where they are used. Raises SpecError (SRV205) without a folder models/.
    """
    loaded = [found for name in environment_names(root) if (found := _load(root, name))]
    pairs = [
        (first, second)
        for first, second in combinations(loaded, 2)
        if _cluster(first.value) == _cluster(second.value)
        and (asked is None or {first.value.name, second.value.name}.intersection(asked))
    ]
    if not pairs:  # Most projects have a cluster, or a kubeconfig, for each environment.
        return ()
    files = load_model_files(root)
    public = {e.value.name: _public(e, files) for pair in pairs for e in pair}
    return tuple(
        Claim((second.value.name, first.value.name), problem)
        for first, second in pairs
        for problem in (*_objects(first, second, files), *_addresses(first, second, public))
    )


def _load(root: Path, name: str) -> Loaded[Environment] | None:
    shown = STACKS_FOLDER / f"{name}.yaml"
    try:
        return load_environment(root / shown, shown)
    except ServestackError:
        return None


def _cluster(environment: Environment) -> tuple[str, str]:
    """What two environments of one cluster have in common: the context, and its kubeconfig."""
    cluster = environment.cluster
    kubeconfig = Path(cluster.kubeconfig or _KUBECONFIG).as_posix()
    return (cluster.context, kubeconfig)


def _objects(
    first: Loaded[Environment], second: Loaded[Environment], files: ModelFiles
) -> Iterator[Problem]:
    """Yield the problem of two environments that make the same objects in one namespace."""
    if first.value.namespace != second.value.namespace:
        return
    both = [_own_objects(one.value) for one in (first, second)]
    shared = [name for name in both[0] if name in both[1]]
    models = [{spec.value.name for spec in deployed(files.specs, e.value)} for e in (first, second)]
    shared += [f"model {name}" for name in sorted(models[0] & models[1])]
    if not shared:
        return
    more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
    place = first.document.location(("namespace",))
    yield Problem(
        OBJECTS_ID,
        f"{second.value.namespace!r} of the context {second.value.cluster.context!r} is also the "
        f"namespace of {first.value.name} ({place}): both make {', '.join(shared[:_SHOWN])}{more}",
        second.document.location(("namespace",)),
        "namespace",
        "give each environment a namespace, or a cluster, of its own",
    )


def _own_objects(environment: Environment) -> list[str]:
    bodies = (build(environment) for _, build in ENVIRONMENT_BUILDERS)
    return [f"{body['kind']} {body['metadata']['name']}" for body in bodies if body is not None]


@dataclass(frozen=True, slots=True)
class _Addressed:
    """A model of an environment that has a public address."""

    spec: ModelService
    environment: Environment
    provenance: Provenance


_Public = dict[str, list[_Addressed]]
"""The models of an environment that have a public address, by their host."""


def _addresses(
    first: Loaded[Environment], second: Loaded[Environment], public: Mapping[str, _Public]
) -> Iterator[Problem]:
    """Yield a problem for each model that has the public address of one in another namespace."""
    if first.value.namespace == second.value.namespace:
        return
    others = public[first.value.name]
    for host, models in public[second.value.name].items():
        for model, other in product(models, others.get(host, ())):
            path = taken_path(other, model)
            if path:
                yield Problem(
                    ADDRESS_ID,
                    f"{host}{path} is the address of {model.spec.name} in {second.value.name} and of "
                    f"{other.spec.name} in {first.value.name} ({place_of_path(other)}), which "
                    "share a cluster",
                    place_of_path(model),
                    dotted(field_of_path(model.spec)),
                    f"write another host under overrides of {second.document.file.as_posix()}, or "
                    "another ingress.hostSuffix there",
                )


def _public(environment: Loaded[Environment], files: ModelFiles) -> _Public:
    found: _Public = {}
    for loaded in deployed(files.specs, environment.value):
        try:
            spec, provenance = effective_spec(loaded, environment)
        except ServestackError:
            continue
        for host in public_hosts(spec, environment.value):
            found.setdefault(host, []).append(_Addressed(spec, environment.value, provenance))
    return found
