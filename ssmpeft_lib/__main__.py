"""`python -m ssmpeft_lib COMMAND`: each file in `ssmpeft_lib/commands/` is a command."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys

from .plan.registry import PACKAGE, files


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m ssmpeft_lib", description="Fine-tuning of state space models.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # only the command asked for is imported: most of them import torch
    wanted = next((word.replace("-", "_") for word in given if not word.startswith("-")), None)
    commands = files("commands")
    for name in [wanted] if wanted in commands else commands:
        text = _docstring(name)
        subparser = subparsers.add_parser(
            name.replace("_", "-"),
            help=text.splitlines()[0].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == wanted:
            command = importlib.import_module(f"ssmpeft_lib.commands.{name}")
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
    parsed = parser.parse_args(given)
    try:
        status = parsed.run(parsed) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # whoever reads has read enough, as `head` does; what is still in the buffer goes nowhere when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, LookupError, OSError) as error:
        # KeyError quotes its message, the others do not
        message = error.args[0] if isinstance(error, LookupError) and error.args else error
        print(f"{type(error).__name__}: {message}", file=sys.stderr)
        return 1


def _docstring(name: str) -> str:
    return ast.get_docstring(ast.parse((PACKAGE / "commands" / f"{name}.py").read_text(encoding="utf-8"))) or name


if __name__ == "__main__":
    sys.exit(main())
