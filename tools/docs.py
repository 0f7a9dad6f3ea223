"""Writes the docs that are generated from the types: docs/schema/*.json and docs/reference/*.md.

python -m tools.docs          write
python -m tools.docs --check  fail where it is stale
"""

from __future__ import annotations

from pathlib import Path

from servestack.spec.reference import PAGES, reference_page
from servestack.spec.schema import schema_text
from tools.generated import write_or_check

DOCS = Path(__file__).parent.parent / "docs"


def main() -> int:
    texts = {DOCS / "schema" / f"{kind}.json": schema_text(kind) for kind in PAGES}
    texts |= {DOCS / "reference" / f"{kind}.md": reference_page(kind) for kind in PAGES}
    return write_or_check(texts, "python -m tools.docs")


if __name__ == "__main__":
    raise SystemExit(main())
