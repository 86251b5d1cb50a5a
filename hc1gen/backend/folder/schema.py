"""`python -m hc1gen.backend.folder.schema`: the JSON schema (draft 2020-12) of the manifest, made of its dataclasses.

The package has it as `manifest.schema.json`.
"""

import inspect
import json
import sys
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from .manifest import FORMAT, Manifest
from .typed import Pattern, members, split, types_of

SCALARS = {int: "integer", float: "number", bool: "boolean", str: "string", NoneType: "null"}
Schema = dict[str, Any]


def schema() -> Schema:
    """The schema of a manifest."""
    definitions: dict[str, Schema] = {}
    top = _object(Manifest, definitions)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:hc1gen:manifest:{FORMAT}"}
    return {**head, **top, "$defs": dict(sorted(definitions.items()))}


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _object(cls: type, definitions: dict[str, Schema]) -> Schema:
    """A dataclass: every field is required, and there are no others."""
    kinds, docs = types_of(cls), {field.name: field.metadata.get("doc") for field in fields(cls)}
    described = {name: _of(kind, definitions) | _described(docs[name]) for name, kind in kinds.items()}
    return {
        "title": cls.__name__,
        **_described(inspect.cleandoc(cls.__doc__ or "")),
        "type": "object",
        "properties": described,
        "required": list(kinds),
        "additionalProperties": False,
    }


def _defined(cls: type, definitions: dict[str, Schema]) -> str:
    """The name under which a dataclass is defined."""
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(cls, definitions)
    return name


def _described(doc: str | None) -> Schema:
    return {"description": doc} if doc else {}


def _of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """Any type; dataclasses become definitions that are referred to by name."""
    base, checks = split(kind)
    found: Schema = {}
    if len(members(base)) > 1:
        found = {"anyOf": [_of(each, definitions) for each in members(base)]}
    elif get_origin(base) is Literal:
        found = {"enum": list(get_args(base))}
    elif is_dataclass(base):
        found = {"$ref": f"#/$defs/{_defined(base, definitions)}"}  # type: ignore[arg-type]
    elif get_origin(base) is tuple:
        found = {"type": "array", "items": _of(get_args(base)[0], definitions)}
    elif get_origin(base) is dict:
        names, content = (_of(each, definitions) for each in get_args(base))
        found = {"type": "object", "propertyNames": names, "additionalProperties": content}
    else:
        found = {"type": SCALARS[base]}
    for check in checks:
        if isinstance(check, Pattern):
            found |= {"pattern": check.regex}
        else:
            found |= {"minimum": check.low} | ({} if check.high is None else {"maximum": check.high})
    return found


if __name__ == "__main__":
    sys.stdout.write(text())
