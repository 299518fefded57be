import math
import operator
import re
from typing import NamedTuple


class Token(NamedTuple):
    kind: str
    text: str
    at: int


SPEC = [("number", r"\d+(?:\.\d+)?"), ("name", r"[a-z_]+"), ("op", r"\*\*|[-+*/%(),=]"), ("space", r"\s+")]
SCANNER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in SPEC))
BINARY = {
    "+": (1, operator.add), "-": (1, operator.sub), "*": (2, operator.mul), "/": (2, operator.truediv),
    "%": (2, operator.mod), "**": (4, operator.pow),
}  # fmt: skip
FUNCTIONS = {"sqrt": math.sqrt, "max": max, "round": round}


def tokens(text):
    at = 0
    while at < len(text):
        match = SCANNER.match(text, at)
        if match is None:
            raise SyntaxError(f"what is {text[at]!r} at {at}?")
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match.group(), at)
        at = match.end()
    yield Token("end", "", at)


class Parser:
    def __init__(self, text, names):
        self.tokens, self.names = list(tokens(text)), names
        self.position = 0

    def take(self, text=None):
        token = self.tokens[self.position]
        if text is not None and token.text != text:
            raise SyntaxError(f"expected {text!r} at {token.at}")
        self.position += 1
        return token

    def peek(self):
        return self.tokens[self.position]

    def statement(self):
        if self.peek().kind == "name" and self.tokens[self.position + 1].text == "=":
            name = self.take().text
            self.take("=")
            self.names[name] = self.expression(0)
            return self.names[name]
        value = self.expression(0)
        self.take("")
        return value

    def expression(self, least):
        value = self.unary()
        while (found := BINARY.get(self.peek().text)) and found[0] > least:
            symbol = self.take().text
            value = found[1](value, self.expression(found[0] - (symbol == "**")))
        return value

    def unary(self):
        token = self.take()
        if token.text == "-":
            return -self.expression(3)
        if token.text == "(":
            value = self.expression(0)
            self.take(")")
            return value
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "name" and self.peek().text == "(":
            self.take()
            values = [self.expression(0)]
            while self.peek().text == ",":
                self.take()
                values.append(self.expression(0))
            self.take(")")
            return FUNCTIONS[token.text](*values)
        if token.kind == "name":
            return self.names[token.text]
        raise SyntaxError(f"unexpected {token.text or 'end'!r}")


names = {"pi": 3.14159}
for line in ("1 + 2 * 3", "2 ** 3 ** 2", "-2 ** 2", "r = 2 * (3 + 4)", "round(pi * r ** 2, 3)", "max(1, r, 7 % 4) / 4",
             "10 - 4 - 3", "sqrt(2) * sqrt(2)", "1 +", "3 $ 4", "unknown + 1", "(1"):  # fmt: skip
    try:
        print(line, "=", Parser(line, names).statement())
    except (SyntaxError, KeyError) as error:
        print(line, "->", type(error).__name__, error)
