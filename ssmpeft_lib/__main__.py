"""`python -m ssmpeft_lib COMMAND`: each file in `ssmpeft_lib/commands/` and its two folders is a command."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys
import textwrap
import warnings
from collections.abc import Mapping

from .plan.registry import PACKAGE, files, unknown

GROUPS = {
    "": "commands",
    "pipeline": "commands that the rules of the workflow call",
    "recording": "commands that make files in recorded/, and pictures, anew",
}
"""What the help calls each folder of commands, by its name below `ssmpeft_lib/commands/`."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # what the encoding of a terminal or a pipe lacks is written as its code, in place of an error on the way
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    commands = {name.replace("_", "-"): folder for folder in GROUPS for name in files(_folder(folder))}
    wanted = next((word for word in given if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="python -m ssmpeft_lib",
        usage="%(prog)s COMMAND ...",
        description="Parameter-efficient fine-tuning of state space models.",
        epilog="" if wanted in commands else _overview(commands),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS, required=True)
    if wanted and wanted not in commands:
        shown = [name for name, folder in commands.items() if not folder]
        parser.error(f"{unknown('command', wanted, shown, 'what users call')}; --help lists all")
    # only the command asked for is imported: most of them import torch
    for name in [wanted] if wanted in commands else commands:
        subparser = subparsers.add_parser(
            name,
            prog=f"{parser.prog} {name}",
            description=_docstring(name, commands[name]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == wanted:
            module = f"{_folder(commands[name])}/{name}".replace("/", ".").replace("-", "_")
            try:
                command = importlib.import_module(f"ssmpeft_lib.{module}")
            except ModuleNotFoundError as error:
                return _fail(error)
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
    parsed = parser.parse_args(given)
    # the sentence alone, without the line of code that it comes from
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    # what was made can be made again in the same way
    parsed.words = given
    try:
        status = parsed.run(parsed) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # whoever reads has read enough, as `head` does; what is still in the buffer goes nowhere when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, LookupError, OSError, ModuleNotFoundError) as error:
        return _fail(error)


def _fail(error: Exception) -> int:
    """Say on stderr what is wrong and, where something is not installed, what to do; the exit status."""
    # KeyError quotes its message, the others do not
    message = error.args[0] if isinstance(error, LookupError) and error.args else error
    print(f"{type(error).__name__}: {message}", file=sys.stderr)
    if isinstance(error, ModuleNotFoundError):
        print("this command needs more than the core: pip install 'ssmpeft-lib[book]' has it all", file=sys.stderr)
    return 1


def _folder(group: str) -> str:
    return f"commands/{group}" if group else "commands"


def _overview(commands: Mapping[str, str]) -> str:
    """Every command with the first sentence about it, by group."""
    lines = []
    for folder, heading in GROUPS.items():
        lines.append(f"\n{heading}:")
        for name in (name for name, group in commands.items() if group == folder):
            sentence = _docstring(name, folder).splitlines()[0].rstrip(".")
            start = f"  {name:20}"
            lines.append(textwrap.fill(sentence, 100, initial_indent=start, subsequent_indent=" " * len(start)))
    return "\n".join([*lines, "", "python -m ssmpeft_lib COMMAND --help has the particulars of one."]).lstrip()


def _docstring(name: str, folder: str) -> str:
    path = PACKAGE / _folder(folder) / f"{name.replace('-', '_')}.py"
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or name


if __name__ == "__main__":
    sys.exit(main())
