"""Check YAML and JSON documents against `workflow/schemas/`, with one readable error instead of a dump."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from .reading import check_keys
from .registry import PACKAGE, unknown

SCHEMAS = PACKAGE.parent / "workflow" / "schemas"


def check_against_schema(document: Any, schema: str, path: Path | str) -> None:
    """Check a document.

    Args:
        document: what was read.
        schema: name of a file in `workflow/schemas/`, without `.schema.yaml`.
        path: the file it was read from, for the message.
    Raises:
        ValueError: names file, key, what was found and what is allowed.
    """
    try:
        check_keys(document, path)
        errors = sorted(
            _validator(schema).iter_errors(document), key=lambda error: (len(error.absolute_path), str(error.path))
        )
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply; this is not such a file") from None
    if errors:
        raise ValueError(f"{path}: {_sentence(errors[0])}")


@cache
def _validator(schema: str) -> jsonschema.protocols.Validator:
    loaded = yaml.safe_load((SCHEMAS / f"{schema}.schema.yaml").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(loaded)


def _sentence(error: jsonschema.ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    at = f"key {where!r}: " if where else ""
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        extra = sorted(set(error.instance) - set(allowed))[0]
        return at + unknown("key", extra, allowed, where or "the top level")
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))[0]
        return f"{at}key {missing!r} is missing (needed: {', '.join(error.validator_value)})"
    if error.validator == "enum":
        return at + unknown("value", str(error.instance), error.validator_value, "the allowed ones")
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return f"{at}got {error.instance!r}, needs {' or '.join(kinds)}{_as_number(error.instance, kinds)}"
    if error.validator in ("anyOf", "oneOf") and error.context:
        allowed = "; or ".join(_sentence_of_branch(branch) for branch in error.validator_value)
        return f"{at}got {error.instance!r}, needs {allowed}"
    return f"{at}{error.message}"


def _as_number(value: Any, kinds: list[str]) -> str:
    """How to write what was meant as a number and is text to YAML, which wants a point and the exponent's sign."""
    found = re.fullmatch(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)", value) if isinstance(value, str) else None
    if found is None or "number" not in kinds:
        return ""
    whole, fraction, sign, exponent = found.groups()
    return f"; YAML reads {value} as text, write {whole}{fraction or '.0'}e{sign or '+'}{exponent}"


def _sentence_of_branch(branch: dict) -> str:
    if "enum" in branch:
        return "one of " + ", ".join(map(str, branch["enum"]))
    if branch.get("type") == "array":
        return f"a list of {branch.get('items', {}).get('type', 'value')}s"
    return str(branch.get("description") or branch.get("type") or branch)
