"""From objects to templates of Helm: objects are made with marks in the places where values go, written as YAML, and
the marks become the template's actions. So a template is never written by hand, and says what the objects say.

The language is kept small: a value as JSON (`toJson`), a line that is left away where its value is empty (`with`), and
more entries of a mapping (`toYaml`). Braces that are in the objects themselves are written as text.

Sources: Helm, "Template Functions and Pipelines", "Flow Control"; Go, `text/template`.
"""

import re

from shopkart_pipeline.adapters.kubernetes.chart_values import ChartValue

_MARK = re.compile(r"zq-[a-z]\d+-qz")
_OPTIONAL = re.compile(r"^( *)([\w./-]+: |[A-Z_]+=)zq-o(\d+)-qz$", re.MULTILINE)
_MORE = re.compile(r"^( *)zq-m(\d+)-qz: null$", re.MULTILINE)
_INSTEAD = re.compile(r":\n *zq-i(\d+)-qz: null\n( +\S+: .*)$", re.MULTILINE)
_WHOLE = re.compile(r"(?<=[:-] )zq-s(\d+)-qz$", re.MULTILINE)


class Markup:
    """Marks, and what each stands for."""

    def __init__(self) -> None:
        self.values: list[ChartValue] = []
        self._expressions: list[str] = []

    def value(self, value: ChartValue) -> str:
        """In place of anything that is no text."""
        return self._mark("v", value)

    def text(self, value: ChartValue) -> str:
        """In place of a text, or of a part of one."""
        return self._mark("s", value)

    def optional(self, value: ChartValue) -> str:
        """In place of what is left away, its key too, where the value is empty."""
        return self._mark("o", value)

    def more(self, value: ChartValue) -> str:
        """The key, with nothing behind it, in place of which a mapping's further entries go."""
        return self._mark("m", value)

    def instead(self, value: ChartValue) -> str:
        """The first key, with nothing behind it, of a mapping of one entry in place of which the value goes where it
        is not empty."""
        return self._mark("i", value)

    def expression(self, expression: str) -> str:
        """In place of a text, or of a part of one: what no value is."""
        return self._mark("s", None, expression)

    def template(self, written: str, *, quoted: bool = True) -> str:
        """The template of what was written with marks.

        Args:
            written: YAML, or lines of `NAME=value`.
            quoted: whether texts that are a value as a whole are put in quotes, as they could be read as numbers.
        """
        text = written.replace("{{", '{{ "{{" }}')
        text = _OPTIONAL.sub(self._left_away, text)
        text = _MORE.sub(self._further, text)
        text = _INSTEAD.sub(self._either, text)
        if quoted:
            text = _WHOLE.sub(lambda at: f"{{{{ {self._said(at[1])} | quote }}}}", text)
        text = re.sub(r"zq-v(\d+)-qz", lambda at: f"{{{{ toJson {self._said(at[1])} }}}}", text)
        text = re.sub(r"zq-s(\d+)-qz", lambda at: f"{{{{ {self._said(at[1])} }}}}", text)
        if left := _MARK.search(text):
            raise ValueError(f"{left[0]} is in a place where no value can go.")
        return text

    def _said(self, index: str) -> str:
        return self._expressions[int(index)]

    def _left_away(self, at: re.Match[str]) -> str:
        indent, key = at[1], at[2]
        shown = "." if key.endswith("=") else "toJson ."
        return _lines(indent, f"{{{{- with {self._said(at[3])} }}}}", f"{key}{{{{ {shown} }}}}", "{{- end }}")

    def _further(self, at: re.Match[str]) -> str:
        entries = f"{{{{- toYaml . | nindent {len(at[1])} }}}}"
        return _lines(at[1], f"{{{{- with {self._said(at[2])} }}}}", entries, "{{- end }}")

    def _either(self, at: re.Match[str]) -> str:
        return f":{{{{ with {self._said(at[1])} }}}} {{{{ toJson . }}}}{{{{ else }}}}\n{at[2]}{{{{ end }}}}"

    def _mark(self, kind: str, value: ChartValue | None, expression: str = "") -> str:
        if value is not None:
            self.values.append(value)
        self._expressions.append(expression or (value.expression if value else ""))
        return f"zq-{kind}{len(self._expressions) - 1}-qz"


def _lines(indent: str, *lines: str) -> str:
    return "\n".join(indent + line for line in lines)
