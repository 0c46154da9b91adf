"""From words to statements: the grammar of declarative pipelines.

A statement is a name, values in parentheses or without them, and a block in braces; in `environment` it is an
assignment. Blocks that are Groovy (`script`, `expression`, and whatever follows `def`) are measured and not read. What
fits no rule becomes a statement without a name that quotes its line, so nothing is lost. Blocks and brackets may be
nested only so deep.

Source: the grammar in Jenkins' handbook, "Pipeline Syntax", declarative pipelines.
"""

from shopkart_pipeline.spec.jenkins.syntax import Listing, Other, Statement, Text, Value, Word
from shopkart_pipeline.spec.jenkins.tokens import Kind, Token, tokens_of, unreadable

_DEEPEST = 40
_MOST_STATEMENTS = 3000
_SCRIPTED = frozenset({"script", "expression", "node", "def", "if", "for", "while", "try", "switch", "class", "return"})
_OPENING = {"(": ")", "[": "]", "{": "}"}
_OPENING_SIGNS, _CLOSING_SIGNS = frozenset("([{"), frozenset(")]}")


def parse(source: str) -> tuple[Statement, ...]:
    """The statements of a file: what stands before `pipeline`, `pipeline` itself, and what follows.

    Raises:
        UntrustedInput: it can't be read: something is never closed, or it is nested too deep.
    """
    return _Parser(source).statements(0, None)


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens_of(source)
        self._at = 0
        self._count = 0

    def statements(self, depth: int, opened: Token | None) -> tuple[Statement, ...]:
        """Up to the brace that closes the block which `opened` opened, or up to the end of the file."""
        if depth > _DEEPEST:
            raise unreadable(self._now().line, f"blocks are nested more than {_DEEPEST} deep")
        found: list[Statement] = []
        while True:
            while self._now().kind is Kind.LINE_END or self._is(";"):
                self._at += 1
            if self._now().kind is Kind.END:
                if opened is not None:
                    raise unreadable(opened.line, "a brace is never closed")
                return tuple(found)
            if self._is("}"):
                if opened is None:
                    raise unreadable(self._now().line, "a brace closes nothing")
                self._at += 1
                return tuple(found)
            found.append(self._statement(depth))

    def _now(self) -> Token:
        return self._tokens[self._at]

    def _is(self, sign: str) -> bool:
        return self._now().kind is Kind.SIGN and self._now().text == sign

    def _statement(self, depth: int) -> Statement:
        first = self._now()
        self._count += 1
        if self._count > _MOST_STATEMENTS:
            raise unreadable(first.line, f"there are more than {_MOST_STATEMENTS} statements up to here")
        if first.kind is not Kind.NAME or first.text in _SCRIPTED:
            return self._scripted(first)
        self._at += 1
        if self._is("="):
            self._at += 1
            value = self._value(depth)
            return self._ended(Statement(first.text, first.line, self._since(first), (value,), is_assignment=True))
        values, named = self._arguments(depth)
        text = self._since(first)
        statement = Statement(first.text, first.line, text, values, named)
        if not self._block_follows(statement):
            return self._ended(statement)
        opened = self._now()
        self._at += 1
        body = self.statements(depth + 1, opened)
        return Statement(first.text, first.line, text, values, named, body)

    def _block_follows(self, statement: Statement) -> bool:
        """A brace may stand on the next line after all but steps: there it would be a statement of its own."""
        if self._is("{"):
            return True
        ahead = self._at
        while self._tokens[ahead].kind is Kind.LINE_END:
            ahead += 1
        token = self._tokens[ahead]
        if token.kind is Kind.SIGN and token.text == "{":
            self._at = ahead
            return True
        return False

    def _arguments(self, depth: int) -> tuple[tuple[Value, ...], dict[str, Value]]:
        if self._is("("):
            opened = self._now()
            self._at += 1
            return self._listed(depth, ")", opened)
        if self._now().kind in (Kind.LINE_END, Kind.END) or self._is("{") or self._is("}") or self._is(";"):
            return (), {}
        return self._listed(depth, None, self._now())

    def _listed(self, depth: int, closing: str | None, opened: Token) -> tuple[tuple[Value, ...], dict[str, Value]]:
        """Values with commas between them, named or not; up to a closing sign, or to the end of the line."""
        values: list[Value] = []
        named: dict[str, Value] = {}
        while True:
            self._skip_lines(closing is not None or bool(values or named))
            if closing is not None and self._is(closing):
                self._at += 1
                return tuple(values), named
            if self._now().kind is Kind.END:
                if closing is None:
                    return tuple(values), named
                raise unreadable(opened.line, f"{opened.text or 'a bracket'} is never closed")
            ahead = self._tokens[self._at + 1]
            if self._now().kind in (Kind.NAME, Kind.TEXT) and ahead.kind is Kind.SIGN and ahead.text == ":":
                name = self._now().text or "".join(part for part in self._now().parts if isinstance(part, str))
                self._at += 2
                self._skip_lines(True)
                named[name] = self._value(depth)
            else:
                values.append(self._value(depth))
            self._skip_lines(closing is not None)
            if self._is(","):
                self._at += 1
            elif closing is None:
                return tuple(values), named
            elif not self._is(closing) and self._now().kind is not Kind.END:
                raise unreadable(self._now().line, f"{closing} or a comma is missing")

    def _skip_lines(self, may: bool) -> None:
        while may and self._now().kind is Kind.LINE_END:
            self._at += 1

    def _value(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise unreadable(self._now().line, f"values are nested more than {_DEEPEST} deep")
        first = self._now()
        value = self._simple_value(first, depth)
        if self._ends_value():
            return value
        self._skip_expression()
        return Other(self._since(first))

    def _simple_value(self, first: Token, depth: int) -> Value:
        match first.kind:
            case Kind.TEXT:
                self._at += 1
                return Text(first.parts)
            case Kind.NUMBER:
                self._at += 1
                return Word(first.text)
            case Kind.NAME:
                self._at += 1
                return self._named_value(first, depth)
            case Kind.SIGN if first.text == "[":
                self._at += 1
                values, named = self._listed(depth + 1, "]", first)
                pairs = (Statement(name, first.line, name, (value,)) for name, value in named.items())
                return Listing((*values, *pairs))
            case Kind.SIGN if first.text == "{":
                self._skip_one()
                return Other(self._since(first))
            case _:
                return Other("")

    def _named_value(self, first: Token, depth: int) -> Value:
        """A word, or a call such as `credentials('id')` or `string name: 'X'` within a listing."""
        if self._is("("):
            opened = self._now()
            self._at += 1
            values, named = self._listed(depth + 1, ")", opened)
            return Statement(first.text, first.line, self._since(first), values, named)
        if self._now().kind in (Kind.NAME, Kind.TEXT) and first.text not in ("new", "return"):
            values, named = self._listed(depth + 1, None, self._now())
            return Statement(first.text, first.line, self._since(first), values, named)
        return Word(first.text)

    def _ends_value(self) -> bool:
        return self._now().kind in (Kind.LINE_END, Kind.END) or (
            self._now().kind is Kind.SIGN and self._now().text in ",;)]}{"
        )

    def _skip_expression(self) -> None:
        """To the end of an expression that is quoted; brackets are skipped as wholes."""
        while not self._ends_value():
            self._skip_one()

    def _skip_one(self) -> None:
        """One word, or all of a pair of brackets."""
        open_tokens: list[Token] = []
        while True:
            token = self._now()
            if token.kind is Kind.END:
                if open_tokens:
                    raise unreadable(open_tokens[0].line, f"{open_tokens[0].text} is never closed")
                return
            self._at += 1
            if token.kind is Kind.SIGN and token.text in _OPENING_SIGNS:
                open_tokens.append(token)
            elif token.kind is Kind.SIGN and token.text in _CLOSING_SIGNS and open_tokens:  # noqa: SIM102
                if _OPENING[open_tokens.pop().text] != token.text:
                    raise unreadable(token.line, f"{token.text} closes nothing")
            if not open_tokens:
                return

    def _scripted(self, first: Token) -> Statement:
        """Groovy: up to the end of the line on which all brackets are closed again."""
        while self._now().kind not in (Kind.LINE_END, Kind.END) and not self._is("}") and not self._is(";"):
            self._skip_one()
        if self._tokens[self._at - 1] is first or self._now() is first:
            self._block_skipped()
        if self._now() is first:
            self._at += 1
        lines = self._tokens[self._at - 1].line - first.line + 1
        name = first.text if first.kind is Kind.NAME else ""
        return Statement(name, first.line, self._since(first), scripted_lines=lines)

    def _block_skipped(self) -> None:
        """A brace on the line after `script`."""
        ahead = self._at
        while self._tokens[ahead].kind is Kind.LINE_END:
            ahead += 1
        if self._tokens[ahead].kind is Kind.SIGN and self._tokens[ahead].text == "{":
            self._at = ahead
            self._skip_one()

    def _ended(self, statement: Statement) -> Statement:
        """What stands behind a statement on its line belongs to it, and is not understood."""
        if self._now().kind in (Kind.LINE_END, Kind.END) or self._is("}") or self._is(";"):
            return statement
        first = self._now()
        self._skip_expression()
        while self._now().kind not in (Kind.LINE_END, Kind.END) and not self._is("}") and not self._is(";"):
            self._skip_one()
        more = self._since(first)
        return Statement("", statement.line, f"{statement.text} {more}".strip(), scripted_lines=1)

    def _since(self, first: Token) -> str:
        return self._source[first.begins : self._tokens[max(0, self._at - 1)].ends].strip()
