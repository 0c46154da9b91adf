"""The base score of a CVSS 3.0 or 3.1 vector.

Source: FIRST, Common Vulnerability Scoring System v3.1 Specification, section 7.1 and appendix A (rounding).
"""

from shopkart_pipeline.domain.evidence import Severity

_WEIGHTS = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def base_score(vector: str) -> float:
    """The score, 0.0 to 10.0.

    Raises:
        ValueError: it is no vector of CVSS 3 with all base metrics.
    """
    prefix, *metrics = vector.strip().split("/")
    if prefix not in ("CVSS:3.0", "CVSS:3.1"):
        raise ValueError(f"{vector[:60]!r} is no CVSS 3 vector")
    try:
        given = dict(metric.split(":") for metric in metrics)
        weight = {name: values[given[name]] for name, values in _WEIGHTS.items()}
        privileges = _PRIVILEGES[given["S"]][given["PR"]]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{vector[:60]!r} lacks a base metric") from error
    changed = given["S"] == "C"
    remaining = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (remaining - 0.029) - 3.25 * (remaining - 0.02) ** 15 if changed else 6.42 * remaining
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    if impact <= 0:
        return 0.0
    return _round_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def severity_of(score: float) -> Severity:
    """The qualitative rating of a score (section 5 of the specification)."""
    ratings = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
    return next((severity for least, severity in ratings if score >= least), Severity.INFO)


def _round_up(score: float) -> float:
    """To one decimal, up; in whole numbers, because floating point would round 4.000000001 up as well."""
    scaled = round(score * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (scaled // 10_000 + 1) / 10
