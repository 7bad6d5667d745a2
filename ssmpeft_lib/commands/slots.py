"""List the slots of a model, which method strings name behind @: the parameter, its shape, how many there are.

MODEL is a name such as mamba-130m, a folder or config.json of transformers, or a family such as bamba. Nothing is
downloaded and no weight is made. Groups, which stand for several slots, come behind. With --json, one JSON object.
"""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `slots`."""
    parser.add_argument("model", help="for example mamba-130m, ./my-checkpoint or bamba")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")


def run(arguments: argparse.Namespace) -> None:
    """Print the slots and the groups."""
    from ..adapters.backbone import Backbone
    from ..checkup.named import without_weights

    backbone = Backbone(without_weights(arguments.model))
    found: dict[str, dict] = {}
    counted = set()
    for slot in backbone.all_slots():
        entry = found.setdefault(slot.name, {"parameter": slot.path, "shapes": [], "count": 0, "numbers": 0})
        entry["count"] += 1
        # blocks that share their weights count once
        if (slot.name, id(slot.weight)) not in counted:
            counted.add((slot.name, id(slot.weight)))
            entry["numbers"] += slot.block.numel()
        if list(slot.shape) not in entry["shapes"]:
            entry["shapes"].append(list(slot.shape))
    groups = {
        name: [slot for slot in dict.fromkeys(slots) if slot in found] for name, slots in backbone.groups().items()
    }
    groups = {name: slots for name, slots in groups.items() if slots}
    if arguments.json:
        print(json.dumps({"slots": found, "groups": groups}))
        return
    print(f"{'slot':20} {'times':>5} {'numbers':>13}  {'shape':16} first parameter")
    for name, entry in found.items():
        shape = " or ".join("x".join(map(str, shape)) for shape in entry["shapes"][:2])
        print(f"{name:20} {entry['count']:5} {entry['numbers']:13,}  {shape:16} {entry['parameter']}")
    print("\ngroup")
    for name, slots in sorted(groups.items()):
        print(f"{name:20} {'+'.join(slots)}")
