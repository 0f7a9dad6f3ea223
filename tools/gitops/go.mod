module servestack.dev/tools/gitops

go 1.25.0

// Modules of Flux whose CRDs tests/real/test_gitops.py installs. Nothing here is compiled, so `go mod tidy`
// would take the lines out: add versions by hand, then run `go mod download` in this folder.
require (
	github.com/fluxcd/kustomize-controller v1.6.0
	github.com/fluxcd/source-controller v1.7.0
)
