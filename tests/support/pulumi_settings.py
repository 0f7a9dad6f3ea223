"""What Pulumi's CLI is told: a home of its own, and who is the kubernetes provider."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.kubernetes_provider import serving_provider
from tests.support.tools import installed


@contextmanager
def pulumi_settings(home: Path, *, waits: bool = False) -> Iterator[dict[str, str]]:
    """Variables for the CLI, which is on their PATH. The provider is the official one where it is
    installed, else the stand-in, which `waits` for rollouts only when it is told to."""
    values = {
        "PATH": f"{installed('pulumi').parent}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_CONFIG_PASSPHRASE": "only for tests",
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The CLI is started hundreds of times, and half of each start is the garbage collector's.
        "GOGC": "1000",
    }
    plugins = Path.home() / ".pulumi/plugins"
    if list(plugins.glob("resource-kubernetes-*")):
        home.mkdir(exist_ok=True)
        (home / "plugins").symlink_to(plugins)
        yield values
        return
    with serving_provider(waits=waits) as address:
        yield values | {
            "PULUMI_DEBUG_PROVIDERS": address,
            # Else every run looks on the network for the plugin that the state names: two seconds.
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
