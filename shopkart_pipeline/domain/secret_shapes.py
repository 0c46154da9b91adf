"""Text without what has the shape of a secret, for everything that somebody else wrote and that is kept, shown or told.

Services log tokens, passwords and headers by mistake, and alerts and people quote them. What has a well-known shape
becomes `[redacted]`: what stands beside a word such as `password`, `Authorization` and cookies to their end, signatures
in queries, tokens that are known by how they begin, private keys. Users and passwords in addresses are left out.
Masking again changes nothing. A secret without such a shape is not found, so nobody can rely on this.

Source: the published formats of the tokens (AWS, GitHub, GitLab, Google, npm, PyPI, SendGrid, Slack, Stripe), RFC 6750
and 7617 (`Authorization`), RFC 7468 (keys in PEM), RFC 7519 (`eyJ`). How often a pattern is tried from one place is
bounded, so a long line takes no time.
"""

import re

from shopkart_pipeline.known_secrets import MASK, masked

_NEW = r"(?!\[redacted\])"
_NEW_LINE = r"(?!\[redacted\](?:[\"'\r\n]|$))"
_NAMES = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|session[_-]?id|sessid)[\w-]{0,30}"
)
_HINTS_OF_NAMES = ("passw", "passphrase", "pwd", "secret", "token", "key", "credential", "sess")
_VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|[^\s,;&\"']+)"
_SHAPES = (
    (
        ("-----begin ",),
        r"(?s)()-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?!-----END ).)*(?:-----END [A-Z ]{0,40}-----)?",
    ),
    (
        ("authorization", "cookie"),
        rf"(?i)((?:authorization|cookie)[\"']?\s{{0,3}}[=:]\s{{0,3}}+[\"']?+){_NEW_LINE}[^\"'\r\n]+",
    ),
    (("bearer", "basic"), r"(?i)(\b(?:bearer|basic)\s{1,3})(?=[^\s\"']{0,200}[0-9=])[\w.~+/-]{8,}=*"),
    (("?", "&"), rf"(?i)([?&](?:x-amz-(?:signature|credential)|sig|signature|key|auth|code)=){_NEW}[^\s&\"'<>]+"),
    (_HINTS_OF_NAMES, rf"(?i)({_NAMES}[\"']?\s{{0,3}}[=:]\s{{0,3}}+){_NEW}{_VALUE}"),
    (("--",), rf"(?i)((?<![\w-])--[\w-]{{0,30}}?{_NAMES}\s{{1,3}}+){_NEW}[^\s-]\S*"),
    (("hooks.slack",), r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/-]+"),
    (("eyj",), r"()\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"),
    (
        ("a3t", "akia", "asia", "aroa", "aida", "agpa", "anpa", "anva"),
        r"()\b(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA)[A-Z0-9]{16}\b",
    ),
    (
        ("gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "npm_", "pypi-"),
        r"()\b(?:gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{22,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{40,})",
    ),
    (
        ("xox", "xapp-", "k_live_", "k_test_", "aiza", "sg."),
        r"()\b(?:xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|AIza[\w-]{30,}"
        r"|SG\.[\w-]{16,}\.[\w-]{16,})",
    ),
    (("sk-",), r"()\bsk-(?=[\w-]{0,60}[A-Z])(?=[\w-]{0,60}\d)[\w-]{20,}"),
)
"""By parts of which one stands in whatever has the shape (in small letters): looking for these costs little. What may
have spaces in it comes first, as of what is masked in part the rest would stay. What is captured is kept."""
_MASKED_SHAPES = tuple((hints, re.compile(shape)) for hints, shape in _SHAPES)
_USER = re.compile(r"(?<=://)[^\s/\"<>]*@")
_LINE_OF_A_KEY = re.compile(r"(?![0-9a-fA-F]*$)[A-Za-z0-9+/]{48,76}={0,2}")
"""Of a key that was written over several lines, such a line stands by itself."""


def without_secrets(text: str) -> str:
    """The text with everything masked that is a secret this process knows, or has the shape of one; text without any
    comes back as it is.

    What was masked is looked at again, as a shape may begin where another ended. Every round takes in more of the text,
    so there is a last one.
    """
    text = masked(text)
    while (shorter := _masked_once(text)) != text:
        text = shorter
    return text


def _masked_once(text: str) -> str:
    folded = text.lower()
    for hints, shape in _MASKED_SHAPES:
        if any(hint in folded for hint in hints):
            text = shape.sub(rf"\1{MASK}", text)
    if "://" in text:
        text = _USER.sub("", text)
    return MASK if _LINE_OF_A_KEY.fullmatch(text) else text
