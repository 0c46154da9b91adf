"""What a tool says that judged in the place of another one: why, in its notes or with its own reason."""

from dataclasses import replace

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun


def stood_in(run: ToolRun, claim: str, reason: str) -> ToolRun:
    """The run, with a word on the tool that it stands in for.

    Args:
        run: what the other tool left.
        claim: what did not work, such as `no advisory service answered`.
        reason: why not.
    """
    match run.result:
        case Evidence() as evidence:
            note = f"{claim[:1].upper()}{claim[1:]}: {reason}."
            return replace(run, result=replace(evidence, notes=(*evidence.notes, note)))
        case EvidenceMissing() as missing:
            return replace(run, result=replace(missing, reason=f"{claim} ({reason}), and {missing.reason}"))
