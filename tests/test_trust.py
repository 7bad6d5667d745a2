"""What the page on trust says is held by something: the tests that it names, and these."""

from __future__ import annotations

import ast
import os
import re
import sys

import pytest
from reference import REPOSITORY

PAGE = (REPOSITORY / "book" / "trust.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/\w+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize("path, name", NAMED)
def test_what_the_page_names_is_there(path, name):
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_statement_of_the_page_names_what_holds_it():
    statements = re.split(r"^: It cannot happen that ", PAGE, flags=re.MULTILINE)[1:]
    assert len(statements) > 10 and all("\n  - `tests/" in statement for statement in statements)


def test_torch_reads_tensors_alone():
    calls = 0
    for path in (REPOSITORY / "ssmpeft_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                calls += 1
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given.get("weights_only") == "True", f"{path}:{node.lineno}"
    assert calls


@pytest.mark.parametrize("mode, private", [(0o700, True), (0o750, False), (0o701, False), (0o777, False)])
def test_a_folder_that_others_may_enter_holds_no_socket(tmp_path, monkeypatch, mode, private):
    # beside client.py, which imports no package
    monkeypatch.syspath_prepend(str(REPOSITORY / "ssmpeft_lib" / "execute" / "forkserver"))
    import identity

    monkeypatch.setattr(identity, "LONGEST_SOCKET", 4096)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / f"ssmpeft-{os.getuid()}"
    folder.mkdir()
    folder.chmod(mode)
    if private:
        assert identity.socket_path().startswith(str(folder))
    else:
        with pytest.raises(OSError, match="is not private to this user"):
            identity.socket_path()
    sys.modules.pop("identity", None)
