"""Writes the dashboard templates monitoring/dashboards/*.json.

    python -m tools.dashboards          write them
    python -m tools.dashboards --check  fail where one is stale

servestack.manifests.dashboards fills in the texts between @…@ for each model and environment.
"""

from __future__ import annotations

import json
from pathlib import Path

from tools.dashboards import fleet, model
from tools.generated import write_or_check

FOLDER = Path(__file__).parent.parent.parent / "monitoring/dashboards"
TEMPLATES = {"model-service.json": model.build, "fleet.json": fleet.build}


def main() -> int:
    texts = {
        FOLDER / name: json.dumps(build(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        for name, build in TEMPLATES.items()
    }
    return write_or_check(texts, "python -m tools.dashboards")


if __name__ == "__main__":
    raise SystemExit(main())
