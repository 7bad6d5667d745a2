"""The command line: an overview that a user finds his way in, and commands that the rules call exist."""

from __future__ import annotations

import io
import re
import sys

import pytest
from reference import REPOSITORY

from ssmpeft_lib.__main__ import GROUPS, main
from ssmpeft_lib.plan.registry import files

USERS = {name.replace("_", "-") for name in files("commands")}
PIPELINE = {name.replace("_", "-") for name in files("commands/pipeline")}
RECORDING = {name.replace("_", "-") for name in files("commands/recording")}


def overview(capsys) -> str:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_overview_has_every_command_once_and_those_of_users_first(capsys):
    text = overview(capsys)
    listed = re.findall(r"^  ([a-z]+(?:-[a-z]+)*) {2,}\S", text, re.MULTILINE)
    assert sorted(listed) == sorted(USERS | PIPELINE | RECORDING)
    assert set(listed[: len(USERS)]) == USERS
    assert [text.index(f"\n{heading}:") for heading in GROUPS.values()] == sorted(
        text.index(f"\n{heading}:") for heading in GROUPS.values()
    )


@pytest.mark.parametrize("command", sorted(USERS | PIPELINE | RECORDING))
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: python -m ssmpeft_lib {command} ") and len(told.splitlines()) > 4


def test_rules_call_the_commands_that_are_theirs():
    rules = [*(REPOSITORY / "workflow").rglob("*.smk"), REPOSITORY / "Snakefile"]
    called = {
        name
        for path in rules
        for name in re.findall(r"(?:\bssmpeft|\{COMMAND\}) ([a-z][a-z-]+)", path.read_text(encoding="utf-8"))
    }
    assert called - {"summary", "unpack"} == PIPELINE


def test_a_misspelt_command_is_told_what_was_meant(capsys):
    with pytest.raises(SystemExit) as end:
        main(["doctr", "mamba-130m"])
    assert end.value.code == 2
    assert "did you mean 'doctor'?" in capsys.readouterr().err


def test_nothing_given_says_what_there_is(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "plan --scale paper", *sorted(f"{name} --help" for name in USERS)])
def test_a_terminal_of_few_letters_gets_codes_in_place_of_an_error(command, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    try:
        assert main(command.split()) == 0
    except SystemExit as end:
        assert end.code == 0
    sys.stdout.flush()
    text = written.getvalue().decode("ascii")
    # planning writes spaces that do not break
    assert "\\xa0" in text if "--help" not in command else text
