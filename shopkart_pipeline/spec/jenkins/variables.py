"""Variables of a Jenkinsfile: which have a value that may be copied, which are credentials, and which nobody knows.

A value is copied only where it is written out, has no name of a secret, and does not look like one. Jenkins' own
variables are replaced where the pipeline says the same under another name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.spec.jenkins.syntax import Text
from shopkart_pipeline.spec.jenkins.tokens import Interpolation

_OURS = {
    "GIT_COMMIT": "SHOPKART_COMMIT",
    "CI": "CI",
    **{name: name for name in ("SHOPKART_URL", "SHOPKART_SERVICE", "SHOPKART_IMAGE_DIGEST", "PATH", "HOME", "PWD")},
}
_OF_JENKINS = re.compile(
    r"(?:BUILD|JOB|NODE|EXECUTOR|STAGE|CHANGE|TAG|BRANCH|GIT|JENKINS|HUDSON|RUN)(?:_[A-Z_]*)?|WORKSPACE(?:_TMP)?"
)
_USED = re.compile(r"(?<!\\)\$(?:\{([A-Za-z_]\w*)[^}]*\}|([A-Za-z_]\w*))")
_NAME_OF_A_SECRET = re.compile(r"(?i)pass(?!ed|ing)|pwd|secret|token|credential|api_?key|private_?key|auth(?!or)")
_LONGEST = 50_000
_NAME = re.compile(r"(?:env\.)?([A-Za-z_]\w*)")


class Unknown(Exception):
    """A text can't be told before a build of Jenkins; says why."""


@dataclass
class Variables:
    """What `environment` said, from the outermost block inwards."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    credentials: set[str] = field(default_factory=set[str])
    unknown: dict[str, str] = field(default_factory=dict[str, str])
    """Name and why."""
    unanswerable: str | None = None
    """Why a script has expressions in it that nobody can fill in."""

    def inner(self) -> "Variables":
        """A copy, for a block within this one."""
        return Variables(dict(self.values), set(self.credentials), dict(self.unknown))

    def forget(self, name: str) -> None:
        self.values.pop(name, None)
        self.credentials.discard(name)
        self.unknown.pop(name, None)

    def text(self, text: Text, in_shell: bool = False) -> str:
        """A text with its expressions filled in.

        Args:
            text: as the Jenkinsfile has it.
            in_shell: whether a shell reads it, so that the pipeline's variables may stand in it.

        Raises:
            Unknown: an expression has no value here.
        """
        filled = [part if isinstance(part, str) else self._filled(part, in_shell) for part in text.parts]
        if sum(map(len, filled)) > _LONGEST:
            raise Unknown(f"it has more than {_LONGEST} characters")
        return "".join(filled)

    def _filled(self, part: Interpolation, in_shell: bool) -> str:
        named = _NAME.fullmatch(part.expression)
        if named is None:
            raise Unknown(f"only a build of Jenkins knows `{part.expression}`")
        name = named.group(1)
        if name in self.values:
            return self.values[name]
        if in_shell and name in _OURS and name not in self.unknown:
            return f"${{{_OURS[name]}}}"
        raise Unknown(self._why(name))

    def _why(self, name: str) -> str:
        if name in self.credentials:
            return f"{name} is a credential, and credentials are never copied"
        return self.unknown.get(name, f"only a build of Jenkins knows {name}")

    def expanded(self, script: str) -> str:
        """A command with every value that is known, for reading what it names."""
        return _USED.sub(lambda match: self.values.get(match[1] or match[2], match[0]), script)

    def needed(self, script: str) -> Mapping[str, str]:
        """Variables that a script uses, with their values; `$NAME` where the pipeline says it under another name.

        Raises:
            Unknown: it uses one that has no value here.
        """
        if self.unanswerable is not None:
            raise Unknown(self.unanswerable)
        found: dict[str, str] = {}
        for match in _USED.finditer(script):
            name = match.group(1) or match.group(2)
            if name in self.credentials or name in self.unknown:
                raise Unknown(self._why(name))
            if name in self.values:
                found[name] = self.values[name]
            elif name in _OURS:
                if _OURS[name] != name:
                    found[name] = f"${_OURS[name]}"
            elif _OF_JENKINS.fullmatch(name):
                raise Unknown(self._why(name))
        return found


def is_secret(name: str, value: str) -> bool:
    """Whether a variable's name or value looks like a credential's."""
    line = f"{name}={value}"
    return bool(_NAME_OF_A_SECRET.search(name)) or without_secrets(line) != line or without_secrets(value) != value
