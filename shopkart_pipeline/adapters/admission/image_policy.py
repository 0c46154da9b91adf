"""ClusterImagePolicies for sigstore's policy-controller: an image of production has our signed statements.

Each image has two policies, because a key may have been rotated between its build and its deployment, and all
attestations of one authority are to be of one key: provenance by the declared builder, from the declared repository and
branch; and a summary that says that this environment's policy was met. Each key is an authority of its own; the
controller (looked at in August 2026) would otherwise ask every key of an authority to have signed. A key is listed as
long as it is in the file of trusted keys: the controller knows no moments, and what an older key signed is running.

A field with `!` has to be there: without it CUE would fill in what is missing.

Sources: policy-controller, `policy.sigstore.dev/v1beta1`; CUE specification, "Field constraints".
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, MANAGED_BY, Manifest
from shopkart_pipeline.domain.admission import Admission, AdmittedImage, StatementTerms
from shopkart_pipeline.domain.attestation import PROVENANCE, VERIFICATION
from shopkart_pipeline.domain.signed_moment import RELEASE_FIELD
from shopkart_pipeline.domain.trusted_key import TrustedKey, TrustedKeys

Required = Mapping[str, "Required | str"]


def image_policies(admission: Admission, terms: StatementTerms, keys: TrustedKeys) -> tuple[Manifest, ...]:
    """Both policies of each image that there are statements about."""
    found: list[Manifest] = []
    for image in admission.images:
        if image.builder is None:
            continue
        name = f"shopkart-{admission.environment}-{image.service}"
        found.append(
            _policy(f"{name}-provenance", image, PROVENANCE, _provenance(image, image.builder, terms), keys.keys)
        )
        verified = _verification(admission, image, terms)
        found.append(_policy(f"{name}-verification", image, VERIFICATION, verified, keys.keys))
    return tuple(found)


def _provenance(image: AdmittedImage, builder: str, terms: StatementTerms) -> Required:
    parameters = {"repository": image.repository, "branch": image.branch, "service": image.service}
    return {
        "buildDefinition": {"buildType": terms.build_type, "externalParameters": parameters},
        "runDetails": {"builder": {"id": builder}},
    }


def _verification(admission: Admission, image: AdmittedImage, terms: StatementTerms) -> Required:
    return {
        "verifier": {"id": terms.verifier},
        "verificationResult": "PASSED",
        RELEASE_FIELD: {"service": image.service, "environment": admission.environment},
    }


def _policy(name: str, image: AdmittedImage, kind: str, required: Required, keys: Iterable[TrustedKey]) -> Manifest:
    attestation = {
        "name": "statement",
        "predicateType": kind,
        "policy": {"type": "cue", "data": cue({"predicateType": kind, "predicate": required})},
    }
    authorities = [
        {
            "name": f"key-{key.key_id[:12]}",
            "key": {"data": key.public_pem, "hashAlgorithm": "sha256"},
            "attestations": [attestation],
        }
        for key in keys
    ]
    spec: dict[str, Any] = {
        "mode": "enforce",
        "images": [{"glob": f"{image.name}@*"}, {"glob": f"{image.name}:*"}],
        "authorities": authorities,
    }
    return {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name, "labels": {MANAGED_BY: FIELD_MANAGER}},
        "spec": spec,
    }


def cue(required: Required, depth: int = 0) -> str:
    """Fields that have to be there with these values, as CUE; other fields may be there."""
    indent = "  " * depth
    lines = list[str]()
    for name, value in required.items():
        if isinstance(value, str):
            lines.append(f"{indent}{json.dumps(name)}!: {json.dumps(value)}\n")
        else:
            lines.append(f"{indent}{json.dumps(name)}!: {{\n{cue(value, depth + 1)}{indent}  ...\n{indent}}}\n")
    return "".join(lines)
