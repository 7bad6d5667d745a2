"""Recompute the numbers behind the errata of the theory and write them into workflow/errata/theory.yaml."""

from __future__ import annotations

import argparse

from ...theory.errata import ERRATA, write_evidence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def run(arguments: argparse.Namespace) -> None:
    """Write the file."""
    write_evidence(ERRATA)
