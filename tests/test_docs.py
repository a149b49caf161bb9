# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""README.md and docs/: tables as the code has them, links that lead somewhere, examples that run.

``python tests/test_docs.py``, which is ``make docs``, writes the tables anew.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

if __name__ == "__main__":
    # An environment's package may be that of another work tree.
    sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_provider_music import exceptions
from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.models import CATALOGUE
from airflow_provider_music.api.schema import AudioSetting
from airflow_provider_music.compat import AIRFLOW
from airflow_provider_music.get_provider_info import C2PA_FIELDS, CONNECTION_FIELDS
from airflow_provider_music.record.take import FACTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
MOST_README_BYTES = 8 * 1024
IS_3 = version("apache-airflow").split(".", maxsplit=1)[0] != "2"

if not README.is_file():
    pytest.skip("an installed package has no docs beside it", allow_module_level=True)

PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")), *sorted((ROOT / ".github").glob("*.md"))]


# Tables that are made from the code


def rows(head, lines):
    return "\n".join(
        [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(line)} |" for line in lines)]
    )


def names_of(known):
    return " or ".join(f"`{name}`" for name in (known.id, *known.aliases))


def either_or(known):
    """Fields of which one or more have to be given, and those that only another field makes required."""
    always = [rule for rule in known.rules if rule.when is None]
    return always, [rule for rule in known.rules if rule.when is not None]


def models_table():
    def takes(known):
        either, _ = either_or(known)
        joined = {name: " or ".join(f"`{one}`" for one in rule.fields) for rule in either for name in rule.fields}
        shown = []
        for name in known.fields():
            text = joined.get(name, f"`{name}`")
            text = f"**{text}**" if name in known.required or name in joined else text
            if text not in shown:
                shown.append(text)
        return ", ".join(shown)

    shown = [known for known in CATALOGUE if not known.id.startswith("test/")]
    return rows(("model", "lane", "takes"), [(f"`{known.id}`", known.lane, takes(known)) for known in shown])


def fields_table():
    def field(known, name):
        says = known.model_fields[name].description or ""
        limits = re.fullmatch(r"text of (.+ characters?)|(a whole number, .+)", says)
        shown = f"**`{name}`**" if name in known.required else f"`{name}`"
        if limits:
            return f"{shown}: {(limits[1] or limits[2].removeprefix('a whole number, '))}"
        return f"{shown}: URL or data URI" if "data URI" in says else shown

    def rules(known):
        for rule in known.rules:
            listed = " or ".join(f"`{name}`" for name in rule.fields)
            if rule.when is not None:
                yield f"with `{rule.when}`: **{listed}**"
            else:
                count = "one of them, not both" if rule.at_most == 1 else "at least one of them"
                yield f"**{listed}**: {count}"
        if "audio_setting" in known.fields():
            needed = setting_of(known).required
            if needed:
                yield f"in `audio_setting`: **{' and '.join(f'`{name}`' for name in needed)}**"

    def line(known):
        seconds = f"{known.max_seconds:g} s" if known.max_seconds else ""
        fields = "<br>".join([*(field(known, name) for name in known.fields()), *rules(known)])
        return names_of(known), known.lane, f"{known.usual_seconds:g} s", seconds, known.default_format, fields

    head = ("model", "lane", "usual", "longest", "format unless given", "fields")
    return rows(head, [line(known) for known in CATALOGUE])


def setting_of(known):
    """The class of a model's ``audio_setting``."""
    kinds = known.model_fields["audio_setting"].annotation
    return next(kind for kind in getattr(kinds, "__args__", (kinds,)) if issubclass(kind, AudioSetting))


def audio_setting_table():
    units = {"sample_rate": "Hz", "bitrate": "bit/s"}
    fields = AudioSetting.model_fields.items()
    return rows(
        ("field", "unit", "values"),
        [
            (f"`{name}`", units.get(name, ""), (field.description or "").removeprefix("one of "))
            for name, field in fields
        ],
    )


def connection_table(fields=CONNECTION_FIELDS):
    def line(name, spec):
        schema = spec["schema"]
        bounds = f"{schema['minimum']} or more" if "minimum" in schema else ""
        if "maximum" in schema:
            bounds = f"{schema['minimum']} to {schema['maximum']}"
        default = str(schema["default"]).lower() if isinstance(schema["default"], bool) else schema["default"]
        return f"`{name}`", spec["label"], spec["description"], f"`{default}`" if default != "" else "empty", bounds

    head = ("extra", "in the form", "what", "default", "range")
    return rows(head, [line(name, spec) for name, spec in fields.items()])


def c2pa_table():
    return connection_table(C2PA_FIELDS)


TABLES = [
    (README, "models", models_table),
    (DOCS / "operators.md", "fields", fields_table),
    (DOCS / "operators.md", "audio_setting", audio_setting_table),
    (DOCS / "connection.md", "connection", connection_table),
    (DOCS / "connection.md", "c2pa", c2pa_table),
]


def with_table(text, name, table):
    begin, end = f"<!-- {name}: made by `make docs` -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    assert found, f"the markers of {name} are gone"
    assert closed, f"the markers of {name} are gone"
    return f"{before}{begin}{table}\n{end}{after}"


def write_tables():
    for page, name, make in TABLES:
        page.write_text(with_table(page.read_text(), name, make()))


@pytest.mark.parametrize(("page", "name", "make"), TABLES, ids=lambda value: getattr(value, "name", value))
def test_a_table_says_what_the_code_says(page, name, make):
    text = page.read_text()
    assert text == with_table(text, name, make()), (
        f"{page.name}, table {name}: run `make docs`, and commit what it writes"
    )


# What is written by hand


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= MOST_README_BYTES


def test_every_page_is_in_the_index():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "index.md").read_text()))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def test_every_error_has_a_row_in_troubleshooting():
    text = (DOCS / "troubleshooting.md").read_text()
    errors = [
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type)
        and issubclass(value, exceptions.MusicError)
        and value.__module__ == exceptions.__name__
    ]
    assert len(errors) > 20
    assert [name for name in errors if f"`{name}`" not in text] == []


def test_every_request_field_is_listed_with_the_operator():
    page = (DOCS / "operators.md").read_text()
    assert [name for name in REQUEST_FIELDS if f"`{name}` †" not in page] == []


def test_every_fact_is_in_the_glossary():
    page = (DOCS / "how-it-works.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| fact |")]
    assert [fact for fact in FACTS if f"`{fact}`" not in line] == []


def test_every_fact_has_a_row_in_the_page_about_money():
    text = (DOCS / "money.md").read_text()
    assert [fact for fact in FACTS if f"| `{fact}.json` |" not in text] == []


# Links


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors_of(page):
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_of(page):
    return re.findall(r"\]\((?!https?://)([^)\s]+)\)", without_code(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    broken = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page):
    named = re.findall(r"`((?:\w+/)+\w+\.(?:py|md|in|txt|yml))`", page.read_text())
    named = [name for name in named if not name.startswith(("dags/", "songs/"))]
    assert [
        name for name in named if not ((ROOT / name).exists() or (ROOT / "airflow_provider_music" / name).exists())
    ] == []


# Examples


def blocks_of(page):
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)


BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks_of(page), start=1)
]
#: What an older Airflow cannot read; tests/cluster/test_matrix.py runs the same on the real one.
OF_3_4 = [
    block
    for page in PAGES
    for block in re.findall(
        r"^<!-- Airflow 3\.4 -->\n```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    )
]
DAGS = [block for block in BLOCKS if re.search(r"^with DAG\(", block.values[0], flags=re.MULTILINE)]


def test_there_are_examples():
    assert len(BLOCKS) >= 15
    assert len(DAGS) >= 10


@pytest.mark.parametrize("block", BLOCKS)
def test_what_an_example_imports_from_us_is_there(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("airflow_provider_music"):
            module = importlib.import_module(node.module)
            assert [name.name for name in node.names if not has(module, name.name)] == []


def has(module, name):
    try:
        return hasattr(module, name) or bool(importlib.import_module(f"{module.__name__}.{name}"))
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("block", BLOCKS)
def test_every_name_in_an_example_is_imported_there(block):
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--select", "F821", "-"]
    done = subprocess.run(command, input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_names_its_model(block):
    for node in ast.walk(ast.parse(block)):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if name in {"GenerateMusicOperator", "GenerateMusicOperator.partial"}:
            # A typed request is of its class's model.
            assert {"model", "request"} & {keyword.arg for keyword in node.keywords}


@pytest.mark.skipif(not IS_3, reason="the examples import from airflow.sdk")
@pytest.mark.parametrize("block", DAGS)
def test_every_dag_can_be_read(block):
    if block in OF_3_4 and AIRFLOW < (3, 4, 0):
        pytest.skip("needs Airflow 3.4")
    names = {"__name__": "example"}
    exec(compile(block, "example.py", "exec"), names)  # our own pages
    assert names["dag"].task_ids


@pytest.mark.skipif(not IS_3, reason="the examples import from airflow.sdk")
def test_the_first_dag_of_the_readme_runs_as_the_page_about_testing_says(tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "first_song.py").write_text(blocks_of(README)[0])
    for block in blocks_of(DOCS / "testing.md"):
        (tmp_path / block.partition("\n")[0].removeprefix("# ")).write_text(block)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "7 passed" in done.stdout


if __name__ == "__main__":
    write_tables()
