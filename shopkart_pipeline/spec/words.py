"""Rules and durations in words, the way the declaration writes them."""

from shopkart_pipeline.domain.policy import FindingsRule, MeasureRule


def rule_in_words(rule: MeasureRule | FindingsRule) -> str:
    """What a rule asks for, such as `tests >= 1`."""
    exempt = f" (exempt while {rule.exempt_measure} < {rule.exempt_below:g})" if rule.exempt_measure else ""
    match rule:
        case MeasureRule():
            return f"{rule.measure} {rule.comparison.value} {rule.limit:g}{exempt}"
        case FindingsRule():
            kind = ("new " if rule.only_new else "") + ("fixable " if rule.only_fixable else "")
            rules = f" by {', '.join(rule.rules)}" if rule.rules else ""
            return f"{kind}findings of {rule.severity.name.lower()} or worse{rules} <= {rule.limit}{exempt}"


def seconds_in_words(seconds: float) -> str:
    """A duration as the declaration writes it, in the largest unit that leaves no rest."""
    for unit, size_seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size_seconds and seconds % size_seconds == 0:
            return f"{seconds // size_seconds:g}{unit}"
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"
