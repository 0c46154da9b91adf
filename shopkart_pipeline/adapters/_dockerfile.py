"""What a Dockerfile begins with, and whether it says exactly which bytes those are.

Read for one question: may two builds of one commit find different things? Every image that a Dockerfile names, in
`FROM`, `COPY --from`, `RUN --mount=from=` and in the `syntax` line, must be a stage of it, `scratch`, one that the
pipeline hands over, or named by digest; what `ADD` fetches must carry a checksum. What can't be told counts as not
pinned: the answer may be too strict, never too kind. What commands of a Dockerfile fetch or invent is not seen here.

Rules: Dockerfile reference, "Format", "Environment replacement", FROM, COPY, ADD, RUN --mount, parser directives.
"""

import re
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
_DIRECTIVE = re.compile(r"^#\s*syntax\s*=\s*(\S+)", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?[\"']?([A-Za-z_]\w*)[\"']?")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::(?P<how>[-+])(?P<word>[^}]*))?\}|(?P<plain>\w+))")
_MOUNT_FROM = re.compile(r"(?:^|,)from=([^,]+)")
_REMOTE = re.compile(r"^(?:https?://|git@|git://|ssh://)")


def asks_for(text: str, argument: str) -> bool:
    """Whether a Dockerfile declares a build argument."""
    return any(word == "ARG" and rest.partition("=")[0].strip() == argument for word, rest in _instructions(text))


@dataclass(frozen=True)
class Sources:
    """What a Dockerfile takes from outside of the repository."""

    images: tuple[str, ...]
    """Names of images that are no stage of it; an argument that is not known stands as it was written."""
    fetched: tuple[str, ...]
    """Addresses that `ADD` fetches without a checksum."""

    def unpinned(self, handed_over: Collection[str] = ()) -> tuple[str, ...]:
        """What is not named by its content; empty: all is. Images in `handed_over` are known byte for byte."""
        loose = (name for name in self.images if name not in handed_over and not _PINNED.search(name))
        return (*loose, *self.fetched)


def sources_of(text: str, arguments: Mapping[str, str]) -> Sources:
    """Read a Dockerfile, with these build arguments."""
    reading = _Reading(arguments)
    directive = _DIRECTIVE.match(text)
    if directive:
        reading.image(directive.group(1))
    for word, rest in _instructions(text):
        reading.instruction(word, rest)
    return Sources(tuple(dict.fromkeys(reading.images)), tuple(dict.fromkeys(reading.fetched)))


@dataclass
class _Reading:
    arguments: Mapping[str, str]
    defaults: dict[str, str] = field(default_factory=dict[str, str])
    stages: set[str] = field(default_factory=set[str])
    images: list[str] = field(default_factory=list[str])
    fetched: list[str] = field(default_factory=list[str])
    begun: int = 0

    def instruction(self, word: str, rest: str) -> None:
        flags = [part for part in rest.split() if part.startswith("--")]
        values = {name: value for name, _, value in (flag[2:].partition("=") for flag in flags)}
        words = [part for part in rest.split() if not part.startswith("--")]
        match word:
            case "ARG" if self.begun == 0:
                name, _, default = rest.strip().partition("=")
                self.defaults[name] = self.arguments.get(name, default.strip("\"'"))
            case "FROM" if words:
                self.image(self.expand(words[0]))
                self.begun += 1
                if len(words) == 3 and words[1].upper() == "AS":
                    self.stages.add(words[2].lower())
            case "COPY" if "from" in values:
                self.image(self.expand(values["from"]))
            case "RUN":
                for flag in flags:
                    source = _MOUNT_FROM.search(flag.removeprefix("--mount="))
                    if flag.startswith("--mount=") and source:
                        self.image(self.expand(source.group(1)))
            case "ADD" if "checksum" not in values:
                self.fetched += [source for source in words[:-1] if _REMOTE.match(source) or "$" in source]
            case _:
                pass

    def image(self, name: str) -> None:
        is_stage = name.lower() in self.stages or (name.isdecimal() and int(name) < self.begun)
        if not is_stage and name != "scratch":
            self.images.append(name)

    def expand(self, text: str) -> str:
        """Fill in the arguments that stand before the first FROM; what is not known is left as it is."""

        def value(match: re.Match[str]) -> str:
            known = self.defaults.get(match["braced"] or match["plain"])
            if match["how"] == "+":
                return match["word"] if known else ""
            return known or match["word"] or match[0]

        return _VARIABLE.sub(value, text.strip("\"'"))


def _instructions(text: str) -> Generator[tuple[str, str]]:
    """Each instruction in capitals and what follows it; comments, continued lines and here-documents are taken in."""
    lines = iter(text.splitlines())
    for line in lines:
        joined = line.strip()
        if not joined or joined.startswith("#"):
            continue
        while joined.endswith("\\"):
            following = next(lines, "").strip()
            if not following.startswith("#"):
                joined = f"{joined[:-1].rstrip()} {following}"
        word, _, rest = joined.partition(" ")
        if word.upper() in ("RUN", "COPY", "ADD"):
            for end in _HEREDOC.findall(rest):
                for inner in lines:
                    if inner.strip() == end:
                        break
        yield word.upper(), rest.strip()
