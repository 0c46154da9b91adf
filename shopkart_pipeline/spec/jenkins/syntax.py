"""What a declarative Jenkinsfile is made of: statements with values and blocks, each at its line."""

from dataclasses import dataclass, field

from shopkart_pipeline.spec.jenkins.tokens import Interpolation


@dataclass(frozen=True)
class Text:
    """A text; with expressions where it has any."""

    parts: tuple[str | Interpolation, ...]

    @property
    def literal(self) -> str | None:
        """The text where it has no expression in it."""
        return "".join(part for part in self.parts if isinstance(part, str)) if self.is_literal else None

    @property
    def is_literal(self) -> bool:
        return all(isinstance(part, str) for part in self.parts)


@dataclass(frozen=True)
class Word:
    """A number, `true`, `false` or a name."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Values in square brackets."""

    values: tuple["Value", ...]


@dataclass(frozen=True)
class Other:
    """An expression that is none of these: quoted, never evaluated."""

    text: str


@dataclass(frozen=True)
class Statement:
    """A directive, a step or a call: a name, values, and a block where it has one."""

    name: str
    line: int
    text: str
    """As it is written, without its block."""
    values: tuple["Value", ...] = ()
    named: dict[str, "Value"] = field(default_factory=dict[str, "Value"])
    body: tuple["Statement", ...] | None = None
    scripted_lines: int = 0
    """Of a block that is Groovy and is not read: how many lines it has."""
    is_assignment: bool = False

    def value(self, name: str | None = None) -> "Value | None":
        """The named value, or the first one without a name."""
        if name is not None and name in self.named:
            return self.named[name]
        return self.values[0] if self.values else None

    def word(self, name: str | None = None) -> str | None:
        """That value where it is plain: a text without expressions, a number or a word."""
        match self.value(name):
            case Text() as text:
                return text.literal
            case Word(text):
                return text
            case _:
                return None


Value = Text | Word | Listing | Other | Statement
