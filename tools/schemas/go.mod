module servestack.dev/tools/schemas

go 1.24.0

// Modules whose files the schema bundle is made from. Nothing here is compiled, so `go mod tidy`
// would take the lines out: add versions by hand, then run bundle.py.
require (
	github.com/argoproj/argo-rollouts v1.9.1
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	k8s.io/kubernetes v1.34.4
	sigs.k8s.io/gateway-api v1.4.1
)
