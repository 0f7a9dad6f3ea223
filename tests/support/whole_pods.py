"""A spec and an environment that use everything that a spec can say of its pods."""

from __future__ import annotations

from typing import Any

LIMITED: dict[str, Any] = {"cpu": "50m", "memory": "64Mi"}
IMAGE: dict[str, Any] = {"repository": "registry.example.com/tools", "tag": "1.2"}

AFFINITY: dict[str, Any] = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                        {"key": "example.com/cores", "operator": "Gt", "values": ["8"]},
                        {"key": "example.com/spot", "operator": "DoesNotExist"},
                    ],
                    "matchFields": [
                        {"key": "metadata.name", "operator": "NotIn", "values": ["node-1"]}
                    ],
                }
            ]
        },
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 10,
                "preference": {
                    "matchExpressions": [
                        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}
                    ]
                },
            }
        ],
    },
    "podAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 5,
                "podAffinityTerm": {
                    "labelSelector": {"matchLabels": {"app": "features"}},
                    "namespaceSelector": {},
                    "topologyKey": "topology.kubernetes.io/zone",
                },
            }
        ]
    },
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "matchLabelKeys": ["pod-template-hash"]}
        ]
    },
}

VOLUMES: list[dict[str, Any]] = [
    {
        "name": "lookup",
        "mountPath": "/data/lookup",
        "persistentVolumeClaim": {"claimName": "lookup"},
    },
    {"name": "tables", "mountPath": "/data/tables", "configMap": {"name": "tables"}},
    {
        "name": "plans",
        "mountPath": "/data/plans.csv",
        "subPath": "plans.csv",
        "configMap": {
            "name": "plans",
            "items": [{"key": "plans", "path": "plans.csv"}],
            "optional": True,
        },
    },
    {"name": "licence", "mountPath": "/data/licence", "secret": {"secretName": "licence"}},
    {
        "name": "tokenizer",
        "mountPath": "/data/tokenizer",
        "image": {"repository": "registry.example.com/tokenizer", "tag": "7"},
    },
    {
        "name": "scratch",
        "mountPath": "/data/scratch",
        "ephemeral": {
            "volumeClaimTemplate": {
                "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "10Gi"}}}
            }
        },
    },
    {
        "name": "shm",
        "mountPath": "/dev/shm",
        "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"},
    },
    {"name": "shared", "emptyDir": {}},
    {
        "name": "tokens",
        "mountPath": "/data/tokens",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"audience": "sts.amazonaws.com"}},
                {"secret": {"name": "licence", "items": [{"key": "a", "path": "b/c"}]}},
                {"configMap": {"name": "tables"}},
            ]
        },
    },
    {
        "name": "vault",
        "mountPath": "/data/vault",
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "volumeAttributes": {"secretProviderClass": "vault"},
        },
    },
]

SPEC: dict[str, Any] = {
    "serviceAccount": {
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/iris"}
    },
    "resources": {"gpu": {"count": 2, "type": "a100"}, "extended": {"nvidia.com/mig-1g.5gb": 1}},
    "scheduling": {
        "nodeSelector": {"pool": "serving"},
        "tolerations": [{"key": "dedicated", "value": "serving", "effect": "NoSchedule"}],
        "priorityClass": "serving",
        "topologySpread": [
            {"topologyKey": "kubernetes.io/hostname"},
            {
                "topologyKey": "topology.kubernetes.io/zone",
                "maxSkew": 2,
                "whenUnsatisfiable": "DoNotSchedule",
                "minDomains": 2,
            },
        ],
        "affinity": AFFINITY,
    },
    "volumes": VOLUMES,
    "initContainers": [
        {
            "name": "warm",
            "image": IMAGE,
            "command": ["sh", "-c"],
            "args": ["cp -r /in /shared"],
            "resources": LIMITED,
            "volumeMounts": [
                {"name": "shared", "mountPath": "/shared"},
                {"name": "tables", "mountPath": "/in"},
            ],
        }
    ],
    "sidecars": [
        {
            "name": "proxy",
            "image": IMAGE | {"pullPolicy": "Always"},
            "args": ["--port=5432"],
            "env": [
                {"name": "MODE", "value": "ro"},
                {"name": "DB_PASSWORD", "valueFrom": {"secret": "db", "key": "password"}},
            ],
            "resources": {"limits": {"cpu": 1, "memory": "128Mi", "ephemeralStorage": "64Mi"}},
            "volumeMounts": [{"name": "shared", "mountPath": "/shared", "readOnly": True}],
            "ports": [{"name": "postgres", "containerPort": 5432}],
        }
    ],
    "image": {"pullPolicy": "Always", "pullSecrets": ["growth-registry"]},
    "fetch": {
        "secret": "iris-artifacts",
        "env": [{"name": "AWS_ENDPOINT_URL", "value": "https://s3.example.com"}],
        "volumeMounts": [{"name": "tables", "mountPath": "/etc/tables"}],
    },
    "rollout": {"maxSurge": 0, "maxUnavailable": "25%"},
    "logging": {"level": "warning", "format": "json"},
}
ENVIRONMENT: dict[str, Any] = {
    "images": {"pullSecrets": ["registry"]},
    "gpus": {
        "a100": {
            "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "runtimeClass": "nvidia",
        }
    },
}
