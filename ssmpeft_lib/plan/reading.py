"""JSON and YAML files that may hold anything: what cannot be read is one error that names the file and the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

_AS_YAML = {"None": "null", "True": "true", "False": "false"}


def read_text(path: str | Path) -> str:
    """The contents of a UTF-8 file.

    Raises:
        ValueError: it is not UTF-8; names the byte.
        OSError: it cannot be opened.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start:,}; save the file as UTF-8") from None


def read_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: it is not UTF-8, not JSON (names line and column), or nested too deeply.
        OSError: it cannot be opened.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); remove the file and "
            "make it again"
        ) from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply; this is not a file that was made here") from None
    except ValueError as error:
        # a whole number of thousands of digits
        raise ValueError(f"{path}: not valid JSON ({error}); remove the file and make it again") from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        ValueError: it is not UTF-8, not YAML (names line and column), empty, or no mapping.
        OSError: it cannot be opened.
    """
    text = read_text(path)
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{path}: not valid YAML{where}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None
    if document is None:
        raise ValueError(f"{path}: the file is empty")
    if not isinstance(document, dict):
        raise ValueError(f"{path}: holds a {type(document).__name__}, needs a mapping, such as `key: value`")
    return document


def check_keys(document: Any, path: str | Path, at: str = "") -> None:
    """Raise a ValueError when a mapping, also inside, has a key that is no word, as YAML reads `1:` and `no:`."""
    if isinstance(document, dict):
        for key, value in document.items():
            if not isinstance(key, str):
                where = f" under {at!r}" if at else ""
                raise ValueError(f"{path}: the key {_AS_YAML.get(repr(key), repr(key))}{where} is no word; remove it")
            check_keys(value, path, f"{at}.{key}" if at else key)
    elif isinstance(document, list):
        for number, value in enumerate(document):
            check_keys(value, path, f"{at}.{number}" if at else str(number))
