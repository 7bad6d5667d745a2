"""The adapter type is known to peft whatever is imported, probed and tried before, each time in a process of its own.

Most of these processes are forks of one that has imported torch and transformers, and neither peft nor this library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from reference import REPOSITORY

KNOWN = "from peft import PeftType; from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING as known; "
KNOWN += "assert PeftType('SSMPEFT') in known, 'not registered'; print('registered')"

ROADS = {
    "ours first": "import ssmpeft_lib",
    "peft first": "import peft, ssmpeft_lib",
    "transformers first": "import transformers, ssmpeft_lib",
    "a part of peft first": "from peft.tuners.lora import LoraConfig; import ssmpeft_lib",
    "our configuration first": "from ssmpeft_lib import SSMPeftConfig",
    "our callback first": "from ssmpeft_lib import SelectBeforeTraining",
    "our export first": "from ssmpeft_lib import export_lora",
    "a module of ours that needs peft": "import ssmpeft_lib.peft.callback",
    "probed by find_spec": "import ssmpeft_lib, importlib.util; assert importlib.util.find_spec('peft')",
    "probed twice": "import ssmpeft_lib; from importlib.util import find_spec as find; find('peft'), find('peft')",
    "probed by transformers": "import ssmpeft_lib; from transformers.utils import is_peft_available as there; there()",
    "probed by accelerate": "import ssmpeft_lib, accelerate.utils; accelerate.utils.is_peft_model",
    "probed by its metadata": "import ssmpeft_lib, importlib.metadata; importlib.metadata.version('peft')",
    "probed before us": "import importlib.util; importlib.util.find_spec('peft'); import ssmpeft_lib",
    "by find_spec of a part": "import ssmpeft_lib, importlib.util; importlib.util.find_spec('peft.utils')",
    "by import_module": "import ssmpeft_lib, importlib; importlib.import_module('peft')",
    "reloaded": "import ssmpeft_lib, peft, importlib; importlib.reload(peft)",
    "ours reloaded": "import ssmpeft_lib, importlib; importlib.reload(ssmpeft_lib); import peft",
    "lazily": """
import importlib.util, sys, ssmpeft_lib
spec = importlib.util.find_spec("peft")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = sys.modules["peft"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
assert "peft.tuners" not in sys.modules
module.PeftModel
""",
    "lazily, before us": """
import importlib.util, sys
spec = importlib.util.find_spec("peft")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = sys.modules["peft"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import ssmpeft_lib
""",
    "behind a failed import": """
import sys, ssmpeft_lib
sys.modules["accelerate"] = None
try:
    import peft
except ImportError:
    del sys.modules["accelerate"]
else:
    sys.exit("peft was to fail")
for name in [name for name in sys.modules if name.startswith("peft.")]:
    del sys.modules[name]
""",
    "behind a forbidden import": """
import sys, ssmpeft_lib
sys.modules["peft"] = None
try:
    import peft
except ImportError:
    del sys.modules["peft"]
""",
    "another import hook in front": """
import sys, ssmpeft_lib
class Hook:
    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import PathFinder
        return PathFinder.find_spec(name, path, target) if name == "peft" else None
sys.meta_path.insert(0, Hook())
import peft
ssmpeft_lib.SSMPeftConfig()
""",
    "an old import hook in front": """
import sys, ssmpeft_lib
class Old:
    def find_module(self, name, path=None):
        return None
sys.meta_path.append(Old())
""",
    "in threads": """
import threading
names = ["ssmpeft_lib", "peft", "ssmpeft_lib.peft.config", "ssmpeft_lib.peft.export", "peft"]
failed, start = [], threading.Barrier(len(names))
def load(name):
    start.wait()
    try:
        __import__(name)
    except BaseException as error:
        failed.append(f"{name}: {error!r}")
threads = [threading.Thread(target=load, args=(name,)) for name in names]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not failed, failed
from ssmpeft_lib import SSMPeftConfig
SSMPeftConfig()
""",
}


NOTHING_BEFORE = ("ours first", "peft first", "in threads")
"""Roads that are gone again with nothing imported ahead."""

FORKS = """
import json, os, sys, traceback
import accelerate, torch, transformers.modeling_utils
assert not {"peft", "ssmpeft_lib"} & set(sys.modules)
said = {}
for name, code in json.load(sys.stdin).items():
    ours, childs = os.pipe()
    if not os.fork():
        os.dup2(childs, 1), os.dup2(childs, 2)
        try:
            exec(code, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(0)
    os.close(childs)
    with open(ours, encoding="utf-8") as pipe:
        said[name] = pipe.read()
    os.wait()
json.dump(said, sys.stdout)
"""


def run(code: str, cwd: Path | None = None, stdin: str = "") -> str:
    """What a fresh interpreter prints, with our warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error:the methods of ssmpeft_lib", "-c", code],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        input=stdin,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What each road printed in its fork."""
    return json.loads(run(FORKS, stdin=json.dumps({name: f"{road}\n{KNOWN}" for name, road in ROADS.items()})))


@pytest.mark.parametrize("road", ROADS)
def test_the_type_is_known(road, said):
    assert said[road].splitlines()[-1:] == ["registered"], said[road]


@pytest.mark.parametrize("road", NOTHING_BEFORE)
def test_the_type_is_known_with_nothing_imported_ahead(road):
    assert run(f"{ROADS[road]}\n{KNOWN}").split() == ["registered"]


def test_peft_is_what_it_would_be_without_us():
    probe = "import peft, inspect, importlib.resources as r; print(type(peft.__loader__), type(peft.__spec__.loader), "
    probe += "peft.__spec__.origin, len(inspect.getsource(peft)), r.files('peft').joinpath('py.typed').is_file())"
    assert run(f"import ssmpeft_lib; {probe}") == run(probe)


def test_our_failure_does_not_keep_anyone_from_peft():
    code = """
import sys, warnings, ssmpeft_lib
sys.modules["ssmpeft_lib.peft.tuner"] = None
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import peft
peft.LoraConfig()
print(*[w.message for w in caught if "ssmpeft_lib" in str(w.message)], sep="\\n")
"""
    assert run(code).startswith("the methods of ssmpeft_lib cannot be used through peft ")


def test_a_module_of_the_same_name_is_left_alone(tmp_path):
    (tmp_path / "peft.py").write_text("mine = 1\n", encoding="utf-8")
    assert run("import ssmpeft_lib, peft; print(peft.mine)", cwd=tmp_path).split() == ["1"]
