"""Writes modules/servestack/manifests/forms.json: the usual structures of the Jinja templates.

    python tools/forms.py          write it
    python tools/forms.py --check  fail where it is stale

A structure that is not among them costs a render the time of loading Jinja, and gives the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

from servestack.manifests import log_shipping, rules
from servestack.manifests.templates import (
    FORMS_FILE,
    Make,
    Structure,
    form_key,
    template_digest,
)

_BOTH = (False, True)
_FASTEST = max(rules.BURN_RATES)


def main() -> int:
    text = json.dumps(build(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        current = FORMS_FILE.read_text(encoding="utf-8") if FORMS_FILE.exists() else ""
        if current != text:
            print(f"stale: {FORMS_FILE.name}; run python tools/forms.py", file=sys.stderr)
        return int(current != text)
    FORMS_FILE.write_text(text, encoding="utf-8")
    return 0


def build() -> dict[str, Any]:
    """By template: its digest, and its forms by the key of their structure."""
    return {
        template: {
            "sha256": template_digest(template),
            "forms": {form_key(one): make(one) for one in structures},
        }
        for template, make, structures in usual()
    }


def usual() -> Sequence[tuple[str, Make, list[Structure]]]:
    """(template, what makes its forms, the structures that most models have)."""
    available = ("availability", _FASTEST)
    # An objective for p90 lets a tenth of the requests be slow, one for the median half of them.
    latencies = [("latency", burn) for burn in rules.BURN_RATES]
    objectives = [[], [available], *([available, latency] for latency in latencies)]
    slo = [rules.slo_structure(each, alerts=True) for each in objectives]
    operations = [
        rules.operations_structure(events=events, drift=drift, parked=parked)
        for events, drift, parked in product(_BOTH, _BOTH, _BOTH)
    ]
    kinds = (["predictions", "feedback"], ["predictions"], ["feedback"])
    security = (
        {"sasl": False, "tls": False, "ca": False, "client": False},
        {"sasl": True, "tls": True, "ca": False, "client": False},
        {"sasl": True, "tls": True, "ca": True, "client": False},
        {"sasl": False, "tls": True, "ca": True, "client": True},
    )
    filebeat = [
        log_shipping.filebeat_structure(kinds=shipped, **each)
        for shipped, each in product(kinds, security)
    ]
    return (
        (rules.SLO_TEMPLATE, partial(rules.make_form, rules.SLO_TEMPLATE), slo),
        (
            rules.OPERATIONS_TEMPLATE,
            partial(rules.make_form, rules.OPERATIONS_TEMPLATE),
            operations,
        ),
        (
            rules.DRIFT_TEMPLATE,
            partial(rules.make_form, rules.DRIFT_TEMPLATE),
            [rules.drift_structure(alerts=True)],
        ),
        (rules.INFO_TEMPLATE, partial(rules.make_form, rules.INFO_TEMPLATE), [{}]),
        (log_shipping.TEMPLATE, log_shipping.make_form, filebeat),
    )


if __name__ == "__main__":
    raise SystemExit(main())
