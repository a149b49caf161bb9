# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How the package is cut: ``python tests/benchmarks/structure.py`` in the root of a tree.

Modules and lines of the package without its sandbox, median and longest module, longest functions.
"""

from __future__ import annotations

import ast
import statistics
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "airflow_provider_music"
_APART = "sandbox"
_SMALL_LINES = 100
_MOST_TOLD = 5


@dataclass(frozen=True)
class Function:
    """A function or method, nested ones too; lines from ``def`` or its first decorator to its end."""

    name: str
    lines: int


@dataclass(frozen=True)
class Module:
    """One file."""

    name: str
    lines: int
    functions: tuple[Function, ...] = ()

    @property
    def is_init(self) -> bool:
        """Whether it is a package's own file, often a line or two."""
        return self.name.endswith("__init__.py")


def modules_of(package: Path) -> list[Module]:
    """Read every module of a package but its sandbox's."""
    paths = [path for path in sorted(package.rglob("*.py")) if path.relative_to(package).parts[0] != _APART]
    return [_module(path, package) for path in paths]


def _module(path: Path, package: Path) -> Module:
    text = path.read_text()
    return Module(str(path.relative_to(package)), len(text.splitlines()), tuple(_functions(ast.parse(text), "")))


def _functions(node: ast.AST, inside: str) -> list[Function]:
    found = []
    for child in ast.iter_child_nodes(node):
        name = inside
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}.{child.name}".lstrip(".")
            if not isinstance(child, ast.ClassDef):
                begin = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                found.append(Function(name, (child.end_lineno or begin) - begin + 1))
        found.extend(_functions(child, name))
    return found


def report(modules: list[Module]) -> str:
    """Return the figures as lines of Markdown."""
    proper = [module for module in modules if not module.is_init]
    longest = sorted(modules, key=lambda module: -module.lines)[:_MOST_TOLD]
    functions = sorted(
        ((function.lines, f"{module.name}: {function.name}") for module in modules for function in module.functions),
        reverse=True,
    )[:_MOST_TOLD]
    lines = sum(module.lines for module in modules)
    medians = [statistics.median(module.lines for module in each) for each in (modules, proper)]
    small = [sum(module.lines < _SMALL_LINES for module in each) for each in (modules, proper)]
    return "\n".join(
        [
            f"modules: {len(modules)}, {len(proper)} without __init__.py",
            f"lines: {lines}, {lines / len(modules):.0f} a module",
            f"median module: {medians[0]:g} lines, {medians[1]:g} without __init__.py",
            f"modules under {_SMALL_LINES} lines: {small[0]}, {small[1]} without __init__.py",
            "longest modules: " + ", ".join(f"{module.name} {module.lines}" for module in longest),
            "longest functions: " + ", ".join(f"{name} {count}" for count, name in functions),
        ]
    )


if __name__ == "__main__":
    print(report(modules_of(Path.cwd() / PACKAGE)))  # noqa: T201 - the figures
