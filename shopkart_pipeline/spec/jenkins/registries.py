"""Images and registries that commands name: the service's name, and Amazon ECR by the form of its addresses."""

import re

from shopkart_pipeline.spec.jenkins.draft import Draft

_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:/([a-z0-9][a-z0-9._/-]*))?")
_TAGGED = re.compile(r"(?:-t|--tag)[= ]\s*['\"]?(\S{1,300}?)['\"]?(?=\s|$)")
_LAST = re.compile(r"([a-z0-9][a-z0-9._-]*)(?::[^/\s]*)?$")


def note_image(draft: Draft, line: int, text: str) -> None:
    """Take from a command what it says of the image's name and of the registry."""
    note_registry(draft, line, text)
    if found := _TAGGED.search(text):
        name = _LAST.search(found[1].split("@")[0].split("$")[0].rstrip(":"))
        if name:
            draft.images.append(name[1].split(":")[0])


def note_registry(draft: Draft, line: int, text: str) -> None:
    """Amazon ECR becomes the declaration's registry; the first one that is named counts."""
    found = _ECR.search(text)
    if found is None or draft.registry:
        return
    prefix = (found[3] or "").rpartition("/")[0]
    draft.registry = {"kind": "ecr", "region": found[2], "account": found[1]} | (
        {"prefix": f"{prefix}/"} if prefix else {}
    )
    draft.notes.translated(line, found[0], "the declaration's `registry`; its credentials are the pipeline's AWS role")
