"""Writes the docs that are generated from the types: docs/schema/*.json and docs/reference/*.md.

python tools/docs.py          write
python tools/docs.py --check  fail where it is stale
"""

from __future__ import annotations

import sys
from pathlib import Path

from servestack.spec.reference import PAGES, reference_page
from servestack.spec.schema import schema_text

DOCS = Path(__file__).parent.parent / "docs"


def main() -> int:
    texts = {DOCS / "schema" / f"{kind}.json": schema_text(kind) for kind in PAGES}
    texts |= {DOCS / "reference" / f"{kind}.md": reference_page(kind) for kind in PAGES}
    stale = [f for f, text in texts.items() if not f.exists() or f.read_text("utf-8") != text]
    for file in stale:
        if "--check" in sys.argv[1:]:
            print(
                f"stale: {file.relative_to(DOCS.parent)}; run python tools/docs.py", file=sys.stderr
            )
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(texts[file], encoding="utf-8")
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
