module servestack.dev/tools/secrets

go 1.24.0

// The module whose rules bundle.py takes. Nothing here is compiled, so `go mod tidy` would take the
// line out: add a version by hand, then run bundle.py.
require github.com/zricethezav/gitleaks/v8 v8.30.1
