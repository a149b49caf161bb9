# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Names of modules and classes in strings: they exist, and keep to the layers that import-linter holds imports to."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import airflow_provider_music

PACKAGE = "airflow_provider_music"
HOME = Path(airflow_provider_music.__file__).parent
PYPROJECT = HOME.parent / "pyproject.toml"
NAME = re.compile(rf"{PACKAGE}(\.[A-Za-z_]\w*)+")
#: Airflow asks for this file alone, and finds hooks, triggers and links by what it says.
REGISTRY = "get_provider_info"

if not PYPROJECT.is_file():
    pytest.skip("an installed package has no pyproject.toml beside it", allow_module_level=True)


def layers():
    """Rank of each part of the package, the highest first, and which parts may import each other in one line."""
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    (lines,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    ranks, neighbours = {}, []
    for rank, line in enumerate(lines):
        parts = set(re.findall(r"\w+", line))
        ranks |= dict.fromkeys(parts, rank)
        if ":" in line:
            neighbours.append(parts)
    return ranks, neighbours


def docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for child in node.body:
                if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                    yield child.value


def names_in(path):
    tree = ast.parse(path.read_text())
    prose = {id(node) for node in docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            for found in NAME.finditer(node.value):
                yield f"{path.relative_to(HOME)}:{node.lineno}", found[0]


def part_of(path):
    first = path.relative_to(HOME).parts[0]
    return first.removesuffix(".py")


def exists(name):
    """Whether this is a module, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.util.find_spec(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        if found is not None:
            break
    else:
        return False
    value = importlib.import_module(".".join(parts[:length]))
    for attribute in parts[length:]:
        value = getattr(value, attribute, None)
    return value is not None


STRINGS = [
    (path, where, name)
    for path in sorted(HOME.rglob("*.py"))
    if path.name != "__init__.py" or path.parent != HOME
    for where, name in names_in(path)
]


def test_some_strings_are_looked_at():
    assert len(STRINGS) >= 5
    assert any(part_of(path) == "triggers" for path, _, _ in STRINGS)


@pytest.mark.parametrize(("where", "name"), sorted({(where, name) for _, where, name in STRINGS}))
def test_a_name_in_a_string_is_there(where, name):
    assert exists(name), f"{where} names {name}, which is nowhere"


def test_a_name_in_a_string_leads_down_as_an_import_would():
    ranks, neighbours = layers()
    upward = []
    for path, where, name in STRINGS:
        ours, theirs = part_of(path), name.split(".")[1]
        if ours in {theirs, REGISTRY} or any({ours, theirs} <= parts for parts in neighbours):
            continue
        if ranks[theirs] <= ranks[ours]:
            upward.append(f"{where} ({ours}) names {name}")
    assert not upward, "\n".join(upward)
