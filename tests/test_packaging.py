# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is shipped: a wheel of the package alone, a source archive that the same wheel can be made from."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_music"
#: What a wheel of Python alone with pages of comments stays below.
MOST_BYTES = 2**20
IN_THE_ARCHIVE = {
    *(PACKAGE, "dags_examples", "docs", "requirements", "tests"),
    *("CHANGELOG.md", "LICENSE", "Makefile", "PKG-INFO", "README.md", "pyproject.toml"),
    *(".ci", ".github", ".gitignore", ".pre-commit-config.yaml"),
}
#: What calls the checks beside .ci/run.
AUTOMATION = (".pre-commit-config.yaml", ".github/workflows/ci.yml")

pytest.importorskip("hatchling")
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("an installed package is not built again", allow_module_level=True)


def build(source, target, *kinds):
    # No network: what builds it is in the environment. One time for all files, or no two wheels are the same.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), *kinds]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def archive(built):
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(files.read(name).decode())


def contents(wheel):
    with zipfile.ZipFile(wheel) as files:
        return {name: files.read(name) for name in files.namelist()}


def sources():
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_all_of_it_and_nothing_else(wheel):
    names = set(contents(wheel))
    info = {name for name in names if name.startswith(f"{PACKAGE}-") and ".dist-info/" in name}
    assert names - info == sources()
    assert {name.partition(".dist-info/")[2] for name in info} == {
        *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"),
    }
    assert f"{PACKAGE}/py.typed" in names
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_holds_code_schemas_and_pages_only_and_is_small(wheel):
    names = [name for name in contents(wheel) if ".dist-info/" not in name]
    pages = [name for name in names if name.startswith((f"{PACKAGE}/plugin/templates/", f"{PACKAGE}/plugin/static/"))]
    assert {Path(name).suffix for name in set(names) - set(pages)} <= {".py", ".json", ".typed"}
    assert {Path(name).suffix for name in pages} == {".html", ".css", ".js"}
    assert wheel.stat().st_size < MOST_BYTES


def test_the_archive_holds_what_is_needed_to_build_and_test(archive):
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {name.partition("/")[0] for name in names} <= IN_THE_ARCHIVE
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert {"tests/conftest.py", "tests/test_packaging.py", "Makefile", "requirements/common.in"} <= names
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= names
    assert {".ci/readme.py", ".github/SECURITY.md", ".github/CONTRIBUTING.md"} <= names
    assert sources() <= names


def test_the_archive_makes_the_same_wheel(archive, wheel, tmp_path):
    with tarfile.open(archive) as files:
        files.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    (again,) = build(source, tmp_path / "dist", "-t", "wheel").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_airflow_finds_the_provider_in_the_wheel(wheel, metadata):
    found = contents(wheel)
    (name,) = [name for name in found if name.endswith("/entry_points.txt")]
    assert found[name].decode().split() == [
        *("[airflow.plugins]", "music", "=", f"{PACKAGE}.plugin.music_plugin:MusicPlugin"),
        *("[apache_airflow_provider]", "provider_info", "=", f"{PACKAGE}.get_provider_info:get_provider_info"),
    ]
    assert metadata["Name"] == "airflow-provider-music"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_a_package_index_shows_the_readme_and_no_link_in_it_leads_nowhere(metadata):
    shown = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert shown.startswith("# airflow-provider-music\n")
    assert re.findall(r"\]\((?!https://)", shown) == []
    assert "](https://docs.aimlapi.com/" in shown
    assert "docs/" in shown


def test_links_are_absolute_once_the_project_has_an_address():
    spec = importlib.util.spec_from_file_location("readme", ROOT / ".ci" / "readme.py")
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    text = "[money](docs/money.md#the-record), [models](#models), [API](https://docs.example.org/a)"
    assert readme.absolute(text, "https://example.org/music/") == (
        "[money](https://example.org/music/blob/HEAD/docs/money.md#the-record), "
        "[models](#models), [API](https://docs.example.org/a)"
    )


def test_the_hooks_and_the_workflow_call_make_and_nothing_else():
    called = re.findall(r"^ *(?:- )?(?:run|entry): (.+)$", "\n".join(map(read, AUTOMATION)), flags=re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), flags=re.MULTILINE))
    assert called
    assert {command.removeprefix("make ") for command in called} <= targets
    assert "exec make test" in read(".ci/run")


def read(name):
    return (ROOT / name).read_text()


def required(metadata):
    return [re.split(r"[\s;]", line)[0] for line in metadata.get_all("Requires-Dist")]


def test_every_dependency_has_a_reason(metadata):
    told = read("docs/compatibility.md").partition("\n## Dependencies\n")[2]
    reasons = "".join(line.split("|")[1] for line in told.splitlines() if line.startswith("|"))
    named = set(re.findall(r"[a-z0-9-]+", reasons))
    assert {re.match(r"[a-z0-9-]+", line)[0] for line in required(metadata)} <= named


def test_every_upper_bound_has_a_reason(metadata):
    told = read("docs/compatibility.md").partition("\n## Dependencies\n")[2]
    bounds = {re.match(r"[a-z0-9-]+", line)[0]: re.search(r"<[^,]+", line) for line in required(metadata)}
    missing = [f"{name} {bound[0]}" for name, bound in bounds.items() if bound and f"`{name} {bound[0]}`" not in told]
    assert not missing
