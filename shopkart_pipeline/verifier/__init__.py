"""Check an evidence bundle offline: `python verifier BUNDLE --keys attestation-keys.json`.

This folder stands alone: Python 3.9 or later and `cryptography` are all that it takes, and nothing outside is imported.
A copy lies in every bundle for convenience. That copy proves nothing, because whoever forges a bundle forges it too:
take these files and the public keys from somewhere else, and compare their hashes (`shopkart verify
--print-verifier-hash | sha256sum -c`).

Every claim comes out as proved, missing or false; nothing but proved is good, and the exit code is 0 only if all are.
"""
