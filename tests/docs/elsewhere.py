"""Which `sh` blocks do not run in tests/docs, and why."""

from __future__ import annotations

OTHER_TESTS = {
    "docs/tutorial.md": "tests/quickstart/test_quickstart_page.py",
    "docs/how-to/route-alerts.md": "tests/real/test_alertmanager.py",
    "docs/how-to/fixed-count-to-autoscaling.md": "tests/real/test_handover.py",
    "docs/how-to/read-the-events.md": "tests/real/test_events_command.py",
}
"""Pages that another test types, and that test."""

STARTS_AT = {"docs/how-to/roll-back.md": "moved"}
"""Tags at which a page's project starts, where it is not `first` (conftest.py)."""

NOT_HERE: list[tuple[str, list[tuple[str, str]]]] = [
    (
        "a Kafka with events of both: tests/real/test_events_command.py reads them",
        [
            ("docs/how-to/shadow-a-version.md", "servestack shadow prod iris --since 1h"),
            ("docs/how-to/run-an-experiment.md", "servestack experiment prod iris"),
        ],
    ),
    (
        "installs and tests the whole project: this is what CI runs (.ci/run)",
        [
            (
                "README.md",
                "make demo     # train a model, lock, render, check and diff it; then a better version, and what its reviewer sees",
            ),
            (
                "docs/operations/faults.md",
                "make faults                                # each fault of processes, 10 times",
            ),
            (
                "README.md",
                "make cluster         # the same cluster for your own hands; make cluster-down takes it away",
            ),
            (
                "docs/ko/index.md",
                "make demo     # 모델 학습부터 lock, render, check, diff까지 한 번에 실행합니다",
            ),
        ],
    ),
    (
        "a cluster with the model in it: tests/cluster goes that way",
        [
            (
                "docs/how-to/add-a-model.md",
                "kubectl -n models rollout status deployment/species --timeout=5m",
            ),
            ("docs/how-to/add-a-model.md", "kubectl -n models logs deployment/species -c fetch"),
            ("docs/how-to/gitops.md", "servestack diff prod --live"),
            (
                "docs/how-to/gpus.md",
                "kubectl -n models describe pods -l app.kubernetes.io/name=llm | grep -A10 Events",
            ),
            ("docs/how-to/kafka-with-tls.md", "kubectl create namespace models"),
            (
                "docs/how-to/kafka-with-tls.md",
                "kubectl -n models create secret tls filebeat-tls --cert=filebeat.crt --key=filebeat.key",
            ),
            (
                "docs/how-to/kafka-with-tls.md",
                "kubectl -n models logs deployment/iris -c filebeat --since=10m | grep -iE 'kafka|error'",
            ),
            ("docs/how-to/move-a-version.md", "servestack wait dev iris --timeout 30m"),
            ("docs/how-to/bring-in-a-version.md", "servestack wait prod iris"),
            ("docs/how-to/bring-in-a-version.md", "servestack handover prod"),
            ("docs/how-to/roll-back.md", "kubectl -n models rollout undo deployment/iris"),
            (
                "docs/how-to/scale-on-requests-in-flight.md",
                'kubectl get --raw "/apis/custom.metrics.k8s.io/v1beta2/namespaces/models/pods/*/servestack_requests_in_flight"',
            ),
            ("docs/how-to/scale-on-requests-in-flight.md", "servestack handover prod"),
            (
                "docs/how-to/scale-on-requests-in-flight.md",
                "kubectl -n models delete horizontalpodautoscaler iris",
            ),
            (
                "docs/how-to/rotate-keys.md",
                "old=$(kubectl -n models get secret iris-api-keys -o jsonpath='{.data.api-keys}' | base64 -d)",
            ),
            (
                "docs/how-to/rotate-keys.md",
                "kubectl -n models logs -l app.kubernetes.io/name=iris -c server --prefix --tail=-1 --since=5m | grep 'API keys read again'",
            ),
            (
                "docs/how-to/rotate-keys.md",
                "curl -sS -H \"X-API-Key: $new\" -H 'content-type: application/json' -d '[[5.1, 3.5, 1.4, 0.2]]' https://iris.models.example.com/v1/iris/predict",
            ),
            (
                "docs/how-to/rotate-keys.md",
                "printf '%s\\n' \"$new\" | kubectl -n models create secret generic iris-api-keys --from-file=api-keys=/dev/stdin --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f -",
            ),
            ("docs/how-to/rotate-keys.md", "read -rsp 'new password: ' password"),
            (
                "docs/how-to/rotate-keys.md",
                "kubectl -n models logs -l app.kubernetes.io/managed-by=servestack -c filebeat --prefix --tail=-1 --since=5m | grep 'a Secret has changed'",
            ),
            ("docs/how-to/rotate-keys.md", "kubectl -n models rollout restart deployment/iris"),
            ("docs/operations/alerts.md", "servestack diff prod --live"),
            (
                "docs/operations/alerts.md",
                "kubectl -n models get deployment,pods -l app.kubernetes.io/name=iris",
            ),
            (
                "docs/operations/alerts.md",
                "kubectl -n models logs deployment/iris -c fetch --tail=30",
            ),
            (
                "docs/operations/alerts.md",
                "kubectl -n models logs -l app.kubernetes.io/name=iris -c server --prefix --tail=-1 --since=30m | grep -iE 'error|failed|traceback' | tail -n 40",
            ),
            (
                "docs/operations/alerts.md",
                "kubectl -n models top pods -l app.kubernetes.io/name=iris --containers",
            ),
            (
                "docs/operations/alerts.md",
                "kubectl -n models logs deployment/iris -c server | grep -i drift",
            ),
            ("docs/operations/alerts.md", "kubectl -n models get hpa iris"),
            (
                "docs/operations/alerts.md",
                'kubectl -n models patch hpa iris --type=merge -p \'{"spec": {"maxReplicas": 20}}\'',
            ),
            ("docs/operations/alerts.md", "kubectl -n models scale deployment iris --replicas=6"),
            (
                "docs/operations/alerts.md",
                "kubectl -n models logs deployment/iris -c filebeat --since=30m | grep -iE 'error|warn' | tail -n 20",
            ),
            (
                "docs/operations/alerts.md",
                "kubectl -n models logs deployment/iris -c filebeat --since=30m | grep -iE 'error|kafka' | tail -n 20",
            ),
        ],
    ),
    (
        "a Docker daemon and an image registry: tests/images builds the Containerfiles",
        [
            (
                "docs/how-to/own-image.md",
                "docker build -f serving_image/Containerfile --build-arg VARIANT=pytorch -t registry.example.com/servestack/serving-pytorch:0.1.0 .",
            ),
            ("docs/how-to/own-image.md", "cat > serving_image/requirements/growth.in <<'END'"),
        ],
    ),
    (
        "does not end: tests/served runs `servestack serve`",
        [
            ("docs/how-to/add-a-model.md", "servestack serve models/species.yaml"),
        ],
    ),
    (
        "a server with a model that takes bytes: serving_image/tests/api/test_bodies.py posts to one",
        [
            (
                "docs/serving.md",
                "curl -F file=@cat.png -F file=@dog.png https://models.example.com/v1/pets/predict",
            ),
        ],
    ),
    (
        "brokers, and Kafka's own scripts: tests/real/test_kafka.py and test_kafka_topics.py have "
        "three with SCRAM and TLS",
        [
            (
                "docs/how-to/kafka-topics.md",
                "servestack topics prod --client-config admin.properties",
            ),
            (
                "docs/how-to/kafka-topics.md",
                "servestack topics prod --client-config admin.properties --apply",
            ),
            ("docs/how-to/kafka-topics.md", "read -rp 'user: ' KAFKA_USERNAME"),
            (
                "docs/how-to/kafka-topics.md",
                "kubectl -n kafka annotate kafkatopic prod.iris.predictions strimzi.io/managed=false",
            ),
            (
                "docs/how-to/rotate-keys.md",
                "kafka-configs.sh --bootstrap-server kafka-0.kafka.svc:9093 --command-config admin.properties \\",
            ),
            (
                "docs/how-to/kafka-topics.md",
                "kafka-topics.sh --bootstrap-server kafka-0.kafka.svc:9093 --command-config admin.properties \\",
            ),
            (
                "docs/how-to/kafka-with-tls.md",
                "kafka-configs.sh --bootstrap-server kafka-0.kafka.svc:9093 --command-config admin.properties \\",
            ),
        ],
    ),
]
"""What is missing here, each with blocks as (page, first line)."""
