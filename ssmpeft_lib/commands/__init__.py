"""Subcommands of `python -m ssmpeft_lib`, one file each: `add_arguments(parser)`, `run(arguments)`, and a docstring."""
