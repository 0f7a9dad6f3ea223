"""Writes modules/servestack/manifests/forms.json: the usual structures of the Jinja templates.

    python -m tools.forms          write it
    python -m tools.forms --check  fail where it is stale

A structure that is not among them costs a render the time of loading Jinja, and gives the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from tools.generated import write_or_check

_BOTH = (False, True)
_FASTEST = max(rules.BURN_RATES)


def main() -> int:
    text = json.dumps(build(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return write_or_check({FORMS_FILE: text}, "python -m tools.forms")


def build() -> dict[str, Any]:
    """By template: its digest, and its forms by the key of their structure."""
    return {
        template: {
            "sha256": template_digest(template),
            "forms": {form_key(one): make(template, one) for one in structures},
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
        (rules.SLO_TEMPLATE, rules.make_form, slo),
        (rules.OPERATIONS_TEMPLATE, rules.make_form, operations),
        (rules.DRIFT_TEMPLATE, rules.make_form, [rules.drift_structure(alerts=True)]),
        (rules.INFO_TEMPLATE, rules.make_form, [{}]),
        (log_shipping.TEMPLATE, log_shipping.make_form, filebeat),
    )


if __name__ == "__main__":
    raise SystemExit(main())
