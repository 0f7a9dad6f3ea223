"""How far a distribution has moved, and how far it moves by chance.

The rules of `monitoring/rules/drift.yaml.j2` compute the same in PromQL; a test holds both equal.

- PSI, the population stability index: sum of (a - r) ln(a / r) over the buckets, with a the share
  now and r the share of the reference. A share of zero counts as ZERO_SHARE, as in Evidently.
- Jensen-Shannon distance: the square root of the divergence with natural logarithms, as in scipy.
  J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37 (1991).
- Chi-squared, Pearson's statistic of homogeneity: whether rows are enough to tell drift from chance.
- Without drift PSI is about (1/n + 1/m) times a chi-squared variable with one degree of freedom less
  than there are buckets, for n rows now and m rows of the reference.
  B. Yurdakul, "Statistical properties of population stability index", Western Michigan University
  (2018), chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log, sqrt

from servestack_contract.profile import shares

ZERO_SHARE = 1e-4
"""What a share of zero counts as in PSI, whose logarithm would be infinite."""
PSI_FLOOR = 0.1
"""PSI below which no alert fires, however many rows there are."""
MINIMUM_ROWS = 500
"""Fewest rows of a window on which an alert may fire."""
LEAST_EXPECTED = 5
"""Rows that a bucket counts as having been expected in the smaller sample, if they are fewer: the
chi-squared distribution does not hold below (Cochran, "Some methods for strengthening the common
chi-squared tests", Biometrics 10, 1954)."""
FALSE_ALARMS = 5e-4
"""Highest share of windows without drift in which any column of a model crosses its limit by the
approximation: half of the promise of one in 1,000, since the statistic has a longer tail."""
FIRST_ROWS_PODS = 20
"""Pods with a reference of their own for which the promise holds together."""


def psi(now: Sequence[float], reference: Sequence[float]) -> float:
    """The population stability index of two lists of shares. Symmetric, at least 0."""
    pairs = [(a or ZERO_SHARE, r or ZERO_SHARE) for a, r in zip(now, reference, strict=True)]
    return sum((a - r) * log(a / r) for a, r in pairs)


def js_distance(now: Sequence[float], reference: Sequence[float]) -> float:
    """The Jensen-Shannon distance of two lists of shares, from 0 to sqrt(ln 2) = 0.833."""
    divergence = 0.0
    for a, r in zip(now, reference, strict=True):
        middle = (a + r) / 2
        divergence += sum(share * log(share / middle) for share in (a, r) if share)
    return sqrt(max(divergence / 2, 0.0))


def chi_squared(
    now: Sequence[float], reference: Sequence[float], rows: float, reference_rows: float
) -> float:
    """Pearson's statistic for two samples of one distribution, which are given as shares.

    It is about PSI / (1/rows + 1/reference_rows), and has not its long tail where buckets are nearly
    empty.
    """
    least = LEAST_EXPECTED / min(rows, reference_rows)
    total = 0.0
    for a, r in zip(now, reference, strict=True):
        together = (rows * a + reference_rows * r) / (rows + reference_rows)
        total += (a - r) ** 2 / max(together, least)
    return total / (1 / rows + 1 / reference_rows)


def psi_limit(quantile: float, rows: float, reference_rows: float, floor: float) -> float:
    """PSI above which an alert fires, for the quantile that `chi_squared_quantile` gives."""
    return max(floor, (1 / rows + 1 / reference_rows) * quantile)


def has_drifted(
    counts: Sequence[int],
    reference_counts: Sequence[int],
    quantile: float,
    *,
    floor: float = PSI_FLOOR,
    minimum_rows: int = MINIMUM_ROWS,
) -> bool:
    """Whether the rules would alert on a column, for the rows of a window and those of its profile."""
    rows, reference_rows = sum(counts), sum(reference_counts)
    if rows < minimum_rows:
        return False
    now, reference = shares(counts), shares(reference_counts)
    return (
        psi(now, reference) > psi_limit(quantile, rows, reference_rows, floor)
        and chi_squared(now, reference, rows, reference_rows) > quantile
    )


def chi_squared_quantile(tail: float, degrees_of_freedom: int) -> float:
    """The value that a chi-squared variable exceeds with the probability `tail` (0 to 1, without).

    Bisection of the regularised incomplete gamma function, to 12 digits. The server has no scipy in
    every image, and importing it takes a second.
    """
    low, high = 0.0, degrees_of_freedom + 10.0
    while _upper_gamma(degrees_of_freedom / 2, high / 2) > tail:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (
            (middle, high)
            if _upper_gamma(degrees_of_freedom / 2, middle / 2) > tail
            else (low, middle)
        )
    return (low + high) / 2


def _upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x).

    By the series below x = a + 1 and the continued fraction above, as in Press et al., Numerical
    Recipes, 6.2.
    """
    if x <= 0:
        return 1.0
    scale = exp(a * log(x) - x - lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-17:
            n += 1
            term *= x / n
            total += term
        return 1 - total * scale
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for i in range(1, 10_000):
        factor = -i * (i - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return fraction * scale
