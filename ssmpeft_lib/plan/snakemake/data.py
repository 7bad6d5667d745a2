"""What `workflow/rules/data.smk` asks: where data sets come from and what they are encoded with."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from .. import code, registry
from ..config import Config
from .files import option, tokenizer_files


class DataRules:
    """Inputs and arguments of the rule `data`."""

    def __init__(self, config: Config):
        self.config = config

    @property
    def source(self) -> str:
        """Where original files lie, as an argument of a command; a miniature needs none."""
        folder = self.config.data_dir
        return "" if folder is None or self.config.scale == "quick" else option("data-dir", [folder.resolve()])

    def tokenizer(self, wildcards: Any) -> list[str]:
        """The tokenizer that a data set is encoded with; none where it is no text."""
        return tokenizer_files(wildcards.scale, wildcards.tokenizer)

    def tokenizer_option(self, wildcards: Any, input: Any) -> str:
        """The tokenizer as an option of a command."""
        return option("tokenizer", list(input.tokenizer)[:1])

    def code(self, wildcards: Any) -> str:
        """Digest of the code that reads a data set: a parameter of its rule, so that an edit runs it again."""
        return code.digest([("data", registry.module_of("data", wildcards.dataset))])

    def splits(self, wildcards: Any) -> str:
        """The splits that an override gives a data set, as JSON."""
        for entry in reversed(self.config.overrides):
            if "splits" in entry["set"] and fnmatchcase(wildcards.dataset, entry["match"].rpartition("/")[2]):
                return json.dumps(entry["set"]["splits"], sort_keys=True)
        return "{}"
