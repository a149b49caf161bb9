# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The mutations of a module: cosmic-ray's operators, and five of ours that it lacks.

Nothing that only a reader sees is mutated: docstrings, annotations, log lines, messages (every text with a space in
it); nor what types alone need: decorators, imports, protocols, ``assert_never``. Nothing that cannot matter: the bare
``*`` of a signature is no multiplication, and None in place of False is the same in a condition.
"""

from __future__ import annotations

import ast
import bisect
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cosmic_ray.ast import Visitor, ast_nodes, get_ast
from cosmic_ray.operators import (
    binary_operator_replacement,
    boolean_replacer,
    break_continue,
    comparison_operator_replacement,
    exception_replacer,
    number_replacer,
    unary_operator_replacement,
    zero_iteration_for_loop,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cosmic_ray.operators.operator import Operator
    from parso.tree import NodeOrLeaf

_WANTED = {
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul"),
    *("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
    *("Is_IsNot", "IsNot_Is", "Delete_Not", "Delete_USub"),
}
_OPERATORS = [
    *(
        operator
        for operators in (binary_operator_replacement, comparison_operator_replacement, unary_operator_replacement)
        for operator in operators.operators()
        if operator.__name__.partition("_")[2] in _WANTED
    ),
    boolean_replacer.AddNot,
    boolean_replacer.ReplaceTrueWithFalse,
    boolean_replacer.ReplaceFalseWithTrue,
    boolean_replacer.ReplaceAndWithOr,
    boolean_replacer.ReplaceOrWithAnd,
    break_continue.ReplaceBreakWithContinue,
    break_continue.ReplaceContinueWithBreak,
    exception_replacer.ExceptionReplacer,
    number_replacer.NumberReplacer,
    zero_iteration_for_loop.ZeroIterationForLoop,
]
_WORD = re.compile(r"[\w~./-]+")


@dataclass(frozen=True)
class Mutation:
    """One edit of one module.

    :param start: offset of what is replaced by ``new``, up to ``end``.
    :param place: function that it is in, for people.
    """

    module: str
    start: int
    end: int
    new: str
    line: int
    place: str
    before: str
    after: str

    def of(self, source: str) -> str:
        """Return the mutated source."""
        return source[: self.start] + self.new + source[self.end :]

    @property
    def name(self) -> str:
        """What it changes; the same after unrelated edits of the module."""
        return f"{self.module} {self.place}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """Short and unique: two equal edits in one function differ by their line."""
        return hashlib.sha256(f"{self.name} {self.start}".encode()).hexdigest()[:12]


class _Source:
    """A module's text, and what is where in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._untouched = [self.span(node) for node in ast.walk(self.tree) for node in _untouched(node)]
        # Of nested functions the innermost is the last that contains an offset.
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        self._places = [(*self.span(node), node.name) for node in ast.walk(self.tree) if isinstance(node, kinds)]

    def offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def span(self, node: ast.AST) -> tuple[int, int]:
        # The modules' code is ASCII where it is not text, so columns in bytes and in characters are the same.
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def touchable(self, start: int, end: int) -> bool:
        return not any(first <= start and end <= last for first, last in self._untouched)

    def line(self, offset: int) -> int:
        return bisect.bisect_right(self._lines, offset)

    def place(self, offset: int) -> str:
        return ".".join(name for first, last, name in self._places if first <= offset < last) or "module"

    def around(self, text: str, start: int, end: int) -> str:
        """The lines of an edit, in one."""
        first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        return " ".join(text[first : last if last >= 0 else len(text)].split())


def mutations_of(module: str, text: str) -> list[Mutation]:
    """Return all mutations of a module, in the order of its text, each once."""
    source, seen = _Source(text), {_shape(text)}
    found = []
    makers = (_of_cosmic_ray, _of_statements, _of_returns, _of_words, _of_tuples)
    edits = {edit for make in makers for edit in make(source)}
    for start, end, new in sorted(edits):
        mutated = text[:start] + new + text[end:]
        if not source.touchable(start, end):
            continue
        try:
            compile(mutated, module, "exec")
            shape = _shape(mutated)
        except SyntaxError:
            continue
        if shape in seen:
            continue
        seen.add(shape)
        before, after = source.around(text, start, end), source.around(mutated, start, start + len(new))
        found.append(Mutation(module, start, end, new, source.line(start), source.place(start), before, after))
    return found


def _untouched(node: ast.AST) -> Iterator[ast.AST]:
    """What is not mutated, of one node."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Import() | ast.ImportFrom():
            yield node
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.ClassDef(bases=[ast.Name(id="Protocol")]):
            yield node
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log")) | ast.Name(id="assert_never"))):
            yield node
        case ast.Call(func=ast.Name(id="cast")):
            yield node.args[0]
        case ast.Constant() | ast.JoinedStr() if _is_message(node):
            yield node
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Literal"))):
            yield node
        case ast.AnnAssign() | ast.arg():
            yield from [node.annotation] if node.annotation else []
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield from node.decorator_list
            yield from [node.returns] if getattr(node, "returns", None) else []


def _is_message(node: ast.AST) -> bool:
    """Whether this is text for a reader: anything with a space in it."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) and " " in part.value for part in node.values)
    return isinstance(node.value, str) and not _WORD.fullmatch(node.value)


def _of_cosmic_ray(source: _Source) -> Iterator[tuple[int, int, str]]:
    for operator in (operator() for operator in _OPERATORS):
        places = [at for node in ast_nodes(get_ast(source.text)) for at in operator.mutation_positions(node)]
        for occurrence, (first, last) in enumerate(places):
            if not source.touchable(source.offset(*first), source.offset(*last)):
                continue
            yield _edit(source.text, _Mutating(operator, occurrence).walk(get_ast(source.text)).get_code())


class _Plain(ast.NodeTransformer):
    """Writes `not a is b` as `a is not b`, `not not a` as `a`, and a signature without `*` and `/`.

    So equal mutations are equal.
    """

    _INVERSE: ClassVar[dict[type[ast.cmpop], type[ast.cmpop]]] = {
        ast.Is: ast.IsNot,
        ast.IsNot: ast.Is,
        ast.In: ast.NotIn,
        ast.NotIn: ast.In,
        ast.Eq: ast.NotEq,
        ast.NotEq: ast.Eq,
        ast.Lt: ast.GtE,
        ast.GtE: ast.Lt,
        ast.Gt: ast.LtE,
        ast.LtE: ast.Gt,
    }

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), inner)):
                return inner
            case ast.UnaryOp(ast.Not(), ast.Compare(left, [operator], right)):
                return ast.Compare(left, [self._INVERSE[type(operator)]()], right)
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        self.generic_visit(node)
        defaults = [default for default in [*node.defaults, *node.kw_defaults] if default is not None]
        named = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        return ast.arguments([], named, node.vararg, [], [], node.kwarg, defaults)


def _shape(text: str) -> str:
    return ast.dump(_Plain().visit(ast.parse(text)))


class _Mutating(Visitor):
    """Applies an operator at one of its places. Cosmic-ray's own needs its plugins, and they need more packages."""

    def __init__(self, operator: Operator, occurrence: int) -> None:
        self._operator, self._left = operator, occurrence

    def visit(self, node: NodeOrLeaf) -> NodeOrLeaf:
        for index, _ in enumerate(self._operator.mutation_positions(node)):
            if self._left == 0:
                node = self._operator.mutate(node, index)
            self._left -= 1
        return node


def _edit(text: str, mutated: str) -> tuple[int, int, str]:
    """Where two texts differ, as one edit."""
    shortest = min(len(text), len(mutated))
    start = next((at for at in range(shortest) if text[at] != mutated[at]), shortest)
    most = shortest - start
    same = next((at for at in range(most) if text[-1 - at] != mutated[-1 - at]), most)
    return start, len(text) - same, mutated[start : len(mutated) - same]


def _of_statements(source: _Source) -> Iterator[tuple[int, int, str]]:
    """Remove each call that is a statement, each raise, and each assignment to an attribute or item."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign():
                yield (*source.span(node), "pass")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
                yield (*source.span(node), "pass")


def _of_returns(source: _Source) -> Iterator[tuple[int, int, str]]:
    """Return nothing, where that is not the same."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Return) and node.value is not None:
            if isinstance(node.value, ast.Constant) and node.value.value in (False, None):
                continue
            yield (*source.span(node), "return None")


def _of_words(source: _Source) -> Iterator[tuple[int, int, str]]:
    """Misspell each word that code compares or stores."""
    inside = {id(part) for node in ast.walk(source.tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield (*source.span(node), repr(f"XX{node.value}"))


def _of_tuples(source: _Source) -> Iterator[tuple[int, int, str]]:
    """Leave out each element of a tuple that is longer than two: a table, a set of cases."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 2:
            for element in node.elts:
                start, end = source.span(element)
                comma = source.text.find(",", end)
                yield (start, comma + 1 if 0 <= comma < source.span(node)[1] else end, "")


def digest(texts: Iterable[str]) -> str:
    """Short hash of several texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
