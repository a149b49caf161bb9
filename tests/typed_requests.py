# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Writes airflow_provider_music/requests.py from the catalogue: ``python tests/typed_requests.py``, or ``make docs``.

A DAG file must not load the catalogue, so what an editor and mypy need of it stands in a module of its own.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

if __name__ == "__main__":
    # An environment's package may be that of another work tree.
    sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_provider_music.api.fields import UNSENT_KEYS
from airflow_provider_music.api.models import CATALOGUE
from airflow_provider_music.api.schema import Body, object_of
from airflow_provider_music.operators.generate import GenerateMusicOperator

TARGET = Path(__file__).parents[1] / "airflow_provider_music" / "requests.py"
WIDTH = 120
KINDS = {str: "Text", int: "Number", bool: "Flag"}
UNITS = {"sample_rate": "Hz", "bitrate": "bit/s"}

HEAD = '''\
# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A request of each model, with the fields that it takes: an editor completes them, and mypy checks them.

Each is a dict of request fields with the model's name in it, and goes wherever such a dict goes:
``GenerateMusicOperator(request=...)``, an element of ``GenerateMusicBatchOperator(requests=[...])``, the result of a
``@task.music`` function. Templates and XComs may stand for values; limits are checked with the catalogue, as ever.

Made from ``api/models.py`` by `make docs`; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from airflow_provider_music.compat import XComArg

    Text: TypeAlias = str | XComArg
    #: A template is text.
    Number: TypeAlias = int | str | XComArg
    Flag: TypeAlias = bool | str | XComArg


class MusicRequest(dict[str, Any]):
    """The request of one song; a dict, so that Airflow renders, stores and hands it on as one."""

    #: The model's name.
    model: ClassVar[str]

    def __init__(self, **fields: Any) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        super().__init__({"model": self.model, **given})
'''


def described(indent: str, text: str) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "    "))


#: Of a request: what the task says of all of its songs is in another docstring.
RIGHTS = "under which licence or consent the song is made, in place of the task's own ``rights``; it is not sent"


def meanings() -> dict[str, str]:
    """What each field means: the operator's docstring, without the models that it names in brackets."""
    text = re.sub(r"\n\s*(?![\s:])", " ", str(GenerateMusicOperator.__doc__))
    return {"rights": RIGHTS} | {
        name: re.sub(r" \([^()]*\)\.?$", "", says).rstrip(".") for name, says in re.findall(r":param (\w+): (.+)", text)
    }


def kind_of(field: Any) -> str:
    body = object_of(field)
    if body is not None:
        return f"{body.__name__} | XComArg"
    plain = [part for one in (field.annotation, *get_args(field.annotation)) for part in (one, *get_args(one))]
    return next(name for kind, name in KINDS.items() if kind in plain)


def class_name(known: Any) -> str:
    name = known.__name__
    is_minimax = "api-docs MiniMax/" in known.source
    return f"MiniMax{name.removeprefix('Minimax')}" if is_minimax else str(name)


def setting(body: type[Body]) -> str:
    lines = [f"class {body.__name__}(TypedDict, total=False):"]
    lines += [f'    """{body.__doc__}"""', ""]
    for name, field in body.model_fields.items():
        choices = str(field.description).removeprefix("one of ").split(", ")
        values = ", ".join(one if one.isdigit() else f'"{one}"' for one in choices)
        kind = f"Literal[{values}] | XComArg"
        lines.append(f"    {name}: {f'Required[{kind}]' if name in body.required else kind}")
        lines.append(f'    """{UNITS[name]}."""' if name in UNITS else '    """Of the file."""')
    return "\n".join(lines)


def rule_of(rule: Any) -> str:
    names = " or ".join(rule.fields)
    if rule.when:
        return f"{names} with {rule.when}"
    return f"{'one of' if rule.at_most == 1 else 'at least one of'} {names}"


def request(known: Any, meaning: dict[str, str]) -> str:
    names = sorted(known.fields(), key=lambda name: name not in known.required)
    fields = {name: known.model_fields[name] for name in names}
    longest = f", {known.max_seconds:g} s at most" if known.max_seconds else ""
    facts = f"A song usually takes {known.usual_seconds:g} s to make{longest and f', and lasts{longest[1:]}'}."
    lines = [f"class {class_name(known)}(MusicRequest):", f'    """{known.__doc__.splitlines()[0]}', ""]
    lines += [
        described("    ", f"{facts} Source of fields and limits: {known.source}.").replace("\n        ", "\n    "),
        "",
    ]
    for name, field in fields.items():
        says = "" if object_of(field) or field.description in ("true or false", "text") else f"; {field.description}"
        # "words to sing; ## at ... of music-01's lyrics": what is said of another model.
        main, *notes = ("words to sing" if name == "prompt" and known.prompt_is_lyrics else meaning[name]).split("; ")
        means = "; ".join([main, *(note for note in notes if known.id in note)])
        need = "; required" if name in known.required else ""
        lines.append(described("    ", f":param {name}: {means}{says}{need}."))
    lines += [described("    ", f":param {name}: {meaning[name]}.") for name in ("extra_body", *UNSENT_KEYS)]
    lines += [described("    ", f"Give {rule_of(one)}.").replace("\n        ", "\n    ") for one in known.rules]
    lines += ['    """', "", f'    model = "{known.id}"', "", "    def __init__(", "        self,", "        *,"]
    for name, field in fields.items():
        kind = kind_of(field)
        lines.append(f"        {name}: {kind}," if name in known.required else f"        {name}: {kind} | None = None,")
    lines += ["        extra_body: Mapping[str, Any] | None = None,"]
    lines += [f"        {name}: Text | None = None," for name in UNSENT_KEYS]
    lines += ["    ) -> None:"]
    lines += ["        super().__init__("]
    lines += [f"            {name}={name}," for name in (*names, "extra_body", *UNSENT_KEYS)]
    lines += ["        )"]
    return "\n".join(lines)


def module() -> str:
    bodies = {
        body.__name__: body
        for known in CATALOGUE
        for field in known.model_fields.values()
        if (body := object_of(field))
    }
    meaning = meanings()
    parts = [
        HEAD.rstrip("\n"),
        *(setting(bodies[name]) for name in sorted(bodies)),
        *(request(known, meaning) for known in CATALOGUE),
    ]
    return "\n\n\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(module())
