"""Writes the dashboard templates monitoring/dashboards/*.json.

    python -m tools.dashboards          write them
    python -m tools.dashboards --check  fail where one is stale

servestack.manifests.dashboards fills in the texts between @…@ for each model and environment.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools.dashboards import fleet, model

FOLDER = Path(__file__).parent.parent.parent / "monitoring/dashboards"
TEMPLATES = {"model-service.json": model.build, "fleet.json": fleet.build}


def main() -> int:
    stale = []
    for name, build in TEMPLATES.items():
        file = FOLDER / name
        text = json.dumps(build(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv[1:]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"stale: {', '.join(stale)}; run python -m tools.dashboards", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
