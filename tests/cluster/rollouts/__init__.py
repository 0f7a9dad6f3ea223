"""The stage of canaries and blue-green rollouts: Argo Rollouts, a router, versions good and bad."""
