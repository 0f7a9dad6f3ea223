"""Writes the schemas that servestack validates against, from the files that the projects publish.

The sources are pinned in go.mod next to this file: Kubernetes' OpenAPI, and the CRDs of Gateway
API, prometheus-operator, KEDA and Argo Rollouts. Closed objects get `additionalProperties: false`, so that a field
which the apiserver would refuse or drop is an error here.

The keys by which Kubernetes merges the lists of its own kinds come from the same OpenAPI.

    python tools/schemas/bundle.py          write modules/servestack/review/schemas/ and
                                            modules/servestack/manifests/merge_keys.json
    python tools/schemas/bundle.py --check  fail where it is stale
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from servestack.manifests.kinds import KINDS, Kind

HERE = Path(__file__).parent
TARGET = HERE.parent.parent / "modules/servestack/review/schemas"
MERGE_KEYS = HERE.parent.parent / "modules/servestack/manifests/merge_keys.json"
KUBERNETES = "k8s.io/kubernetes"
GATEWAY_API = "sigs.k8s.io/gateway-api"
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator"
STRIMZI = "strimzi"
"""Its folder beside this file, which says where the schema comes from."""
KEDA = "github.com/kedacore/keda/v2"
ARGO_ROLLOUTS = "github.com/argoproj/argo-rollouts"
POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"

CRDS = {
    "gateway.networking.k8s.io": (GATEWAY_API, "config/crd/standard"),
    "monitoring.coreos.com": (PROMETHEUS_OPERATOR, "example/prometheus-operator-crd"),
    "kafka.strimzi.io": (STRIMZI, ""),
    "keda.sh": (KEDA, "config/crd/bases"),
    "argoproj.io": (ARGO_ROLLOUTS, "manifests/crds"),
}
"""For each API group outside of Kubernetes: the module that defines it, and the folder in it."""
KEPT_EXTENSIONS = ("x-kubernetes-list-map-keys", "x-kubernetes-list-type")
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
# The pattern that Kubernetes' CRD generator writes for resource.Quantity.
QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
QUANTITY = {"anyOf": [{"type": "string", "pattern": QUANTITY_PATTERN}, {"type": "number"}]}

Schema = dict[str, Any]


def main() -> int:
    folders, versions = module_folders()
    bundle = {f"{schema['title'].lower()}.json": schema for schema in all_schemas(folders)}
    files = {
        name: json.dumps(schema, indent=1, sort_keys=True) + "\n" for name, schema in bundle.items()
    }
    files["versions.json"] = json.dumps(versions, indent=1, sort_keys=True) + "\n"
    stale = [
        n
        for n, text in files.items()
        if not (TARGET / n).is_file() or (TARGET / n).read_text() != text
    ]
    merge_keys = json.dumps(all_merge_keys(folders), indent=1, sort_keys=True) + "\n"
    if not MERGE_KEYS.is_file() or MERGE_KEYS.read_text() != merge_keys:
        stale.append(MERGE_KEYS.name)
    left_over = sorted(file.name for file in TARGET.glob("*.json") if file.name not in files)
    if "--check" in sys.argv[1:]:
        for name in (*stale, *left_over):
            print(
                f"stale: {TARGET.name}/{name}; run python tools/schemas/bundle.py", file=sys.stderr
            )
        return 1 if stale or left_over else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in files:
            (TARGET / name).write_text(files[name])
    MERGE_KEYS.write_text(merge_keys)
    for name in left_over:
        (TARGET / name).unlink()
    print(f"{len(files)} files, {len(stale)} written", file=sys.stderr)
    return 0


def module_folders() -> tuple[dict[str, Path], dict[str, str]]:
    """The folder and the version of each pinned module, by its path; downloads what is missing."""
    modules = (KUBERNETES, GATEWAY_API, PROMETHEUS_OPERATOR, KEDA, ARGO_ROLLOUTS)
    output = subprocess.run(
        ["go", "mod", "download", "-json", *modules],
        cwd=HERE, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    folders, versions, decoder = {STRIMZI: HERE / STRIMZI}, {}, json.JSONDecoder()
    while output := output.lstrip():
        module, end = decoder.raw_decode(output)
        output = output[end:]
        folders[module["Path"]] = Path(module["Dir"])
        versions[module["Path"]] = module["Version"]
    return folders, versions


def all_schemas(folders: dict[str, Path]) -> list[Schema]:
    """One schema for each kind in servestack.manifests.kinds."""
    core = core_kinds()
    definitions = read_definitions(folders, core)
    definitions = {name: cleaned(schema) for name, schema in definitions.items()}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = QUANTITY
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = INT_OR_STRING
    return [
        core_schema(definitions, kind) if kind in core else crd_schema(definitions, folders, kind)
        for kind in KINDS.values()
    ]


def core_kinds() -> list[Kind]:
    """The kinds that Kubernetes itself defines."""
    return [kind for kind in KINDS.values() if kind.group not in CRDS]


def read_definitions(folders: dict[str, Path], kinds: list[Kind]) -> Schema:
    """The definitions of Kubernetes' OpenAPI for the versions of some kinds, as published."""
    definitions: Schema = {}
    for api_version in dict.fromkeys(kind.api_version for kind in kinds):
        file = folders[KUBERNETES] / f"api/openapi-spec/v3/{openapi_name(api_version)}"
        definitions |= json.loads(file.read_text())["components"]["schemas"]
    return definitions


def all_merge_keys(folders: dict[str, Path]) -> dict[str, dict[str, str]]:
    """Kind → field with dots → key by which the items of that list are merged.

    The key is empty for a list of plain values. A list without a row is replaced.
    """
    core = core_kinds()
    definitions = read_definitions(folders, core)
    return {
        kind.name: dict(merge_keys(definition_of(definitions, kind), definitions, ""))
        for kind in core
    }


def merge_keys(schema: Schema, definitions: Schema, field: str) -> Iterator[tuple[str, str]]:
    """(field, key) of every merged list below a schema."""
    for name, inner in schema.get("properties", {}).items():
        here = f"{field}.{name}" if field else name
        strategies = inner.get("x-kubernetes-patch-strategy", "").split(",")
        if "merge" in strategies and inner.get("type") == "array":
            yield here, inner.get("x-kubernetes-patch-merge-key", "")
        for reference in {*references(inner), *references(inner.get("items", {}))}:
            yield from merge_keys(definitions[reference], definitions, here)


def references(schema: Schema) -> list[str]:
    """The definitions that a field refers to, directly or wrapped for a default."""
    wrapped = [schema, *schema.get("allOf", ())]
    return [part["$ref"].rpartition("/")[2] for part in wrapped if "$ref" in part]


def openapi_name(api_version: str) -> str:
    root = "apis" if "/" in api_version else "api"
    return f"{root}__{api_version.replace('/', '__')}_openapi.json"


def core_schema(definitions: Schema, kind: Kind) -> Schema:
    return as_kind(definition_of(definitions, kind), definitions, kind)


def definition_of(definitions: Schema, kind: Kind) -> Schema:
    """The definition of a kind. Raises SystemExit if there is none."""
    for schema in definitions.values():
        for entry in schema.get("x-kubernetes-group-version-kind", ()):
            found = f"{entry['group']}/{entry['version']}".lstrip("/")
            if (found, entry["kind"]) == (kind.api_version, kind.name):
                return dict(schema)
    raise SystemExit(f"{kind.name} is not in {kind.api_version}")


def crd_schema(definitions: Schema, folders: dict[str, Path], kind: Kind) -> Schema:
    module, folder = CRDS[kind.group]
    version = kind.api_version.rpartition("/")[2]
    crd = yaml.safe_load(crd_file(folders[module] / folder, kind).read_text())["spec"]
    schema = next(v for v in crd["versions"] if v["name"] == version)["schema"]["openAPIV3Schema"]
    schema = cleaned(schema)
    if kind.name == "Rollout":
        # Its copy of the pods' schema has lost by which keys lists are merged.
        schema["properties"]["spec"]["properties"]["template"] = {"$ref": f"#/$defs/{POD_TEMPLATE}"}
    return as_kind(schema, definitions, kind)


def crd_file(folder: Path, kind: Kind) -> Path:
    """The file of a kind's CRD, by either of the names that projects give it."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.name).lower()
    names = (f"{kind.group}_{kind.plural}.yaml", f"{words}-crd.yaml")
    return next(file for name in names if (file := folder / name).is_file())


def as_kind(schema: Schema, definitions: Schema, kind: Kind) -> Schema:
    """A self-contained schema of one kind, without its status."""
    properties = {k: v for k, v in schema["properties"].items() if k != "status"}
    properties |= {
        "apiVersion": {"const": kind.api_version},
        "kind": {"const": kind.name},
        "metadata": {"$ref": f"#/$defs/{OBJECT_META}"},
    }
    required = sorted({*schema.get("required", ()), "apiVersion", "kind", "metadata"})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": kind.name,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "$defs": {name: definitions[name] for name in sorted(reached(properties, definitions))},
    }


def reached(schema: Any, definitions: Schema) -> set[str]:
    """Names of all definitions that a schema refers to, directly or through others."""
    names: set[str] = set()
    pending = [schema]
    while pending:
        here = pending.pop()
        if isinstance(here, dict):
            name = str(here.get("$ref", "")).removeprefix("#/$defs/")
            if name and name not in names:
                names.add(name)
                pending.append(definitions[name])
            pending += here.values()
        elif isinstance(here, list):
            pending += here
    return names


def cleaned(schema: Any) -> Any:
    """A schema without descriptions that refuses unknown fields where the apiserver does."""
    if isinstance(schema, list):
        return [cleaned(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return INT_OR_STRING
    wrapped = schema.get("allOf")
    if isinstance(wrapped, list) and len(wrapped) == 1 and "$ref" in wrapped[0]:
        return cleaned(wrapped[0])
    result = {}
    for key, value in schema.items():
        if key == "pattern" and "(?i)" in value:
            continue  # Go's flags within a pattern have no counterpart in JSON schema
        if key == "$ref":
            result[key] = value.replace("#/components/schemas/", "#/$defs/")
        elif key in ("properties", "$defs"):
            result[key] = {name: cleaned(inner) for name, inner in value.items()}
        elif key in ("description", "default", "format", "title", "example") or (
            key.startswith("x-")
            and key
            not in (
                *KEPT_EXTENSIONS,
                "x-kubernetes-group-version-kind",
            )
        ):
            continue
        else:
            result[key] = cleaned(value)
    open_object = (
        schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    )
    if "properties" in schema and not open_object:
        result["additionalProperties"] = False
    return result


if __name__ == "__main__":
    raise SystemExit(main())
