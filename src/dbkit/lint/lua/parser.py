"""Tokens to a tree, by the grammar of Lua 5.1."""

from __future__ import annotations

from typing import NoReturn

from dbkit.lint.lua import nodes
from dbkit.lint.lua.nodes import Block, Expression, Statement
from dbkit.lint.lua.tokens import LuaSyntaxError, Token, tokens

# how strongly an operator binds what is left and right of it
BINDING = {
    "or": (1, 1),
    "and": (2, 2),
    "..": (5, 4),
    "^": (10, 9),
    **dict.fromkeys(("<", ">", "<=", ">=", "~=", "=="), (3, 3)),
    **dict.fromkeys(("+", "-"), (6, 6)),
    **dict.fromkeys(("*", "/", "%"), (7, 7)),
}
UNARY = 8
BLOCK_ENDS = frozenset(("end", "else", "elseif", "until", "the end"))


def parse(text: str) -> Block:
    """Return the statements of a text. Raises LuaSyntaxError."""
    parser = _Parser(list(tokens(text)))
    block = parser.block()
    if parser.token.kind != "end":
        parser.refuse("the end")
    return block


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.position = 0

    # Tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def sees(self, *texts: str) -> bool:
        return self.token.kind in {"keyword", "symbol"} and self.token.text in texts

    def take(self, text: str) -> bool:
        """Go past that token, if it is next."""
        if not self.sees(text):
            return False
        self.position += 1
        return True

    def expect(self, text: str) -> None:
        if not self.take(text):
            self.refuse(f"`{text}`")

    def refuse(self, wanted: str) -> NoReturn:
        raise LuaSyntaxError(f"{wanted} is expected near `{self.token.text}`", self.token.at)

    def name(self) -> nodes.Name:
        token = self.token
        if token.kind != "name":
            self.refuse("a name")
        self.position += 1
        return nodes.Name(token.at, token.text)

    def names(self) -> tuple[nodes.Name, ...]:
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return tuple(found)

    # Statements

    def block(self) -> Block:
        found: list[Statement] = []
        while not (self.token.kind == "end" or self.sees(*BLOCK_ENDS)):
            is_last = self.sees("return", "break")
            found.append(self.statement())
            self.take(";")
            if is_last:
                break
        return tuple(found)

    def statement(self) -> Statement:
        at, word = self.token.at, self.token.text if self.token.kind == "keyword" else ""
        match word:
            case "local" | "function" | "if" | "for" | "while" | "repeat" | "do" | "return" | "break":
                self.position += 1
                statement: Statement = getattr(self, f"_{word}")(at)
                return statement
            case _:
                return self._call_or_assign(at)

    def _local(self, at: int) -> Statement:
        if self.take("function"):
            name = self.name()
            return nodes.LocalFunction(at, name, self.function(at))
        names = self.names()
        return nodes.Local(at, names, self.expressions() if self.take("=") else ())

    def _function(self, at: int) -> Statement:
        target: Expression = self.name()
        is_method = False
        while not is_method and self.sees(".", ":"):
            is_method = self.token.text == ":"
            self.position += 1
            key = self.name()
            target = nodes.Index(target.at, target, nodes.Constant(key.at, key.id))
        return nodes.Assign(at, (target,), (self.function(at, is_method=is_method),))

    def _if(self, at: int) -> Statement:
        conditions, blocks = [self.expression()], []
        self.expect("then")
        blocks.append(self.block())
        while self.take("elseif"):
            conditions.append(self.expression())
            self.expect("then")
            blocks.append(self.block())
        if self.take("else"):
            blocks.append(self.block())
        self.expect("end")
        return nodes.If(at, tuple(conditions), tuple(blocks))

    def _for(self, at: int) -> Statement:
        names = self.names()
        if len(names) == 1 and self.take("="):
            bounds = self.expressions()
            if not 2 <= len(bounds) <= 3:
                self.refuse("a first and a last number, and perhaps a step,")
            return nodes.NumericFor(at, names[0], bounds, self._body())
        self.expect("in")
        values = self.expressions()
        return nodes.GenericFor(at, names, values, self._body())

    def _while(self, at: int) -> Statement:
        condition = self.expression()
        return nodes.While(at, condition, self._body())

    def _do(self, at: int) -> Statement:
        block = self.block()
        self.expect("end")
        return nodes.Do(at, block)

    def _body(self) -> Block:
        self.expect("do")
        block = self.block()
        self.expect("end")
        return block

    def _repeat(self, at: int) -> Statement:
        block = self.block()
        self.expect("until")
        return nodes.Repeat(at, block, self.expression())

    def _return(self, at: int) -> Statement:
        is_empty = self.token.kind == "end" or self.sees(";", *BLOCK_ENDS)
        return nodes.Return(at, () if is_empty else self.expressions())

    def _break(self, at: int) -> Statement:
        return nodes.Break(at)

    def _call_or_assign(self, at: int) -> Statement:
        first = self._bare()
        if isinstance(first, nodes.Call) and not self.sees("=", ","):
            return nodes.Run(at, first)
        targets = [first]
        while self.take(","):
            targets.append(self._bare())
        if not all(isinstance(target, nodes.Name | nodes.Index) for target in targets):
            self.refuse("a name to assign to")
        self.expect("=")
        return nodes.Assign(at, tuple(targets), self.expressions())

    def _bare(self) -> Expression:
        """Read what may be called or assigned to: `(f())` and `(x)` are values only."""
        at = self.token.at
        found = self.suffixed()
        if found.at != at:
            self.refuse("a call or a name without brackets around it")
        return found

    # Expressions

    def expressions(self) -> tuple[Expression, ...]:
        found = [self.expression()]
        while self.take(","):
            found.append(self.expression())
        return tuple(found)

    def expression(self, limit: int = 0) -> Expression:
        at = self.token.at
        if self.sees("not", "-", "#"):
            operator = self.token.text
            self.position += 1
            left: Expression = nodes.Operation(at, operator, (self.expression(UNARY),))
        else:
            left = self.simple()
        while self.token.kind in {"keyword", "symbol"} and self.token.text in BINDING:
            operator = self.token.text
            strength, right_strength = BINDING[operator]
            if strength <= limit:
                break
            self.position += 1
            left = nodes.Operation(at, operator, (left, self.expression(right_strength)))
        return left

    def simple(self) -> Expression:
        token = self.token
        if token.kind == "number":
            self.position += 1
            is_hexadecimal = token.text[:2].lower() == "0x"
            return nodes.Constant(token.at, float(int(token.text, 16)) if is_hexadecimal else float(token.text))
        if token.kind == "string":
            self.position += 1
            return nodes.Constant(token.at, token.text)
        for text, value in (("nil", None), ("true", True), ("false", False)):
            if self.take(text):
                return nodes.Constant(token.at, value)
        if self.take("..."):
            return nodes.Vararg(token.at)
        if self.sees("{"):
            return self.table()
        if self.take("function"):
            return self.function(token.at)
        return self.suffixed()

    def suffixed(self) -> Expression:
        at = self.token.at
        if self.take("("):
            found = self.expression()
            self.expect(")")
        else:
            found = self.name()
        while True:
            if self.take("."):
                key = self.name()
                found = nodes.Index(at, found, nodes.Constant(key.at, key.id))
            elif self.take("["):
                found = nodes.Index(at, found, self.expression())
                self.expect("]")
            elif self.take(":"):
                method = self.name().id
                found = nodes.Call(at, found, self.arguments(), method)
            elif self.token.kind == "string" or self.sees("(", "{"):
                found = nodes.Call(at, found, self.arguments())
            else:
                return found

    def arguments(self) -> tuple[Expression, ...]:
        if self.token.kind == "string" or self.sees("{"):
            return (self.simple(),)
        self.expect("(")
        found = () if self.sees(")") else self.expressions()
        self.expect(")")
        return found

    def table(self) -> nodes.Table:
        at = self.token.at
        keys: list[Expression | None] = []
        values: list[Expression] = []
        self.expect("{")
        while not self.sees("}"):
            following = self.tokens[self.position + 1]
            key: Expression | None = None
            if self.take("["):
                key = self.expression()
                self.expect("]")
                self.expect("=")
            elif self.token.kind == "name" and following.kind == "symbol" and following.text == "=":
                key = nodes.Constant(self.token.at, self.name().id)
                self.expect("=")
            keys.append(key)
            values.append(self.expression())
            if not (self.take(",") or self.take(";")):
                break
        self.expect("}")
        return nodes.Table(at, tuple(keys), tuple(values))

    def function(self, at: int, *, is_method: bool = False) -> nodes.Function:
        parameters = [nodes.Name(at, "self")] if is_method else []
        self.expect("(")
        while not self.sees(")"):
            if self.take("..."):
                break
            parameters.append(self.name())
            if not self.take(","):
                break
        self.expect(")")
        block = self.block()
        self.expect("end")
        return nodes.Function(at, tuple(parameters), block)
