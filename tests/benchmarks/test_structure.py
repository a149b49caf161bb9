# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Modules, lines and functions are counted as an editor shows them."""

from __future__ import annotations

import pytest
from structure import Function, modules_of, report

MODULE = '''\
"""A module."""

class Song:
    @property
    def length(self):
        """Seconds."""

        def inner():
            return 1

        return inner()


async def land():
    pass
'''


@pytest.fixture
def package(tmp_path):
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "server.py").write_text("apart = 1\n" * 500)
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "__init__.py").write_text("")
    (tmp_path / "api" / "song.py").write_text(MODULE)
    (tmp_path / "short.py").write_text("a = 1\n")
    (tmp_path / "notes.txt").write_text("no module\n")
    return tmp_path


def test_every_module_but_the_sandboxs_is_counted(package):
    assert {module.name: module.lines for module in modules_of(package)} == {
        "api/__init__.py": 0,
        "api/song.py": 15,
        "short.py": 1,
    }


def test_a_function_is_named_by_its_class_and_counted_from_its_decorator_to_its_end(package):
    (song,) = (module for module in modules_of(package) if module.name == "api/song.py")
    assert song.functions == (Function("Song.length", 8), Function("Song.length.inner", 2), Function("land", 2))


def test_the_report_has_the_figures(package):
    text = report(modules_of(package))
    assert "modules: 3, 2 without __init__.py" in text
    assert "lines: 16, 5 a module" in text
    assert "median module: 1 lines, 8 without __init__.py" in text
    assert "longest modules: api/song.py 15, short.py 1" in text
    assert "longest functions: api/song.py: Song.length 8" in text
