"""Checks of sentences in the text against the tables."""

from __future__ import annotations

from .averages import TASKS
from .numbers import TINY, Counts, Evidence, PrintedNumbers, mean


def six_of_eight(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. 4.2, LoRA on the linear projections is best in six of eight scores: those of Table 3, and ties."""
    linear, ssm, both = (
        printed.row("table03", f"LoRA {slots}") for slots in ("linear projections", "SSM modules", "both")
    )
    scores = [column for column in linear if "Params" not in column]
    best = [column for column in scores if linear[column] > max(ssm[column], both[column])]
    tied = [column for column in scores if linear[column] == max(ssm[column], both[column])]
    return {"best": len(best), "tied": ", ".join(tied)}


def s4_on_cifar10(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 4: how far SDLoRA is ahead of full fine-tuning, which is printed as equal to both forms of LoRA.

    Raises:
        ValueError: those three are no longer printed as equal.
    """
    accuracy = printed.column("table04", "Accuracy")
    lora = {number for row, number in accuracy.items() if row.startswith("LoRA")}
    if lora != {accuracy["Full"]}:
        raise ValueError("table04: LoRA and full fine-tuning are no longer printed as equal")
    return {"full": accuracy["Full"], "sdlora": accuracy["SDLoRA"], "points": accuracy["SDLoRA"] - accuracy["Full"]}


def chance_on_cifar10(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 11: accuracy of the pretrained model against chance among ten classes."""
    return {"chance": 100 / 10, "printed": printed.row("table11", "Nothing / Pretrained")["Accuracy"]}


def sizes(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 6 against App. B: sizes of Spider, CIFAR-10 and DART, and the longest sequence of CIFAR-10."""
    rows = {name.rpartition(" / ")[2].partition(" (")[0]: row for name, row in printed.rows["table06"].items()}

    def splits(name: str) -> list[int]:
        return [int(rows[name][split]) for split in ("Train", "Val", "Test")]

    return {
        "spider": ", ".join(f"{size:,}" for size in splits("Spider")),
        "cifar10": ", ".join(f"{size:,}" for size in splits("CIFAR-10")),
        "dart": f"{sum(splits('DART')):,}",
        "pixels": f"{24 * 24 * 3:,}",
        "longest": f"{int(rows['CIFAR-10']['Max. seq. len.']):,}",
    }


def warmup_length(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Secs. D.4 and D.9 and Table 27: length of the warm-up in batches, as a share of DART and of all batches."""
    # Secs. D.4 and D.9; the batch size is that of the released configurations
    batches, subset, all_batches, batch_size = 500, 125, 2500, 4
    train = printed.row("table06", "Others / DART (METEOR, BLEU)")["Train"]
    return {
        "batches": batches,
        "subset": subset,
        "all_batches": all_batches,
        "batch_size": batch_size,
        "of_dart": 100 * batches * batch_size / train,
        "share": 100 * subset / all_batches,
    }


def tasks_of_table22(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. D.6, SDLoRA is consistently ahead on Mamba-II: the number of GLUE tasks in Table 22."""
    row = printed.row("table22", "SDLoRA")
    return {"tasks": len([column for column in row if "Params" not in column])}


def prefix_of_table2(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. 4.1: the length of Table 2's prefix, its share, and the states of a channel of the model."""
    (method,) = {p.method for p in printed.points if p.exhibit == "table02" and p.row.startswith("Prefix-tuning")}
    share = printed.row("table07", "Prompt-based / Prefix-tuning (1 token, no MLP)")["Params (%)"]
    tokens = method.partition("tokens=")[2].partition(",")[0]
    # d_state of all Mamba-1 checkpoints
    return {"tokens": int(tokens), "share": share, "states": 16}


def mnli_in_table2(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 2: how much of the distance between initial state tuning and prefix-tuning is that on MNLI."""
    state, prefix = (printed.row("table02", row) for row in ("Initial state tuning", "Prefix-tuning (1 token, no MLP)"))
    others = tuple(task for task in TASKS if task != "MNLI")
    return {
        "points": state["Avg."] - prefix["Avg."],
        "mnli": state["MNLI"],
        "mnli_prefix": prefix["MNLI"],
        "mnli_part": (state["MNLI"] - prefix["MNLI"]) / len(TASKS),
        "chance": 100 / 3,
        "others": mean(state, others),
        "others_prefix": mean(prefix, others),
    }


def caption_of_table3(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 3, LoRA on the projections is better than on all modules: the scores in which it is, is not, or ties."""
    linear, both = (printed.row("table03", f"LoRA {slots}") for slots in ("linear projections", "both"))
    margins = {column: linear[column] - both[column] for column in linear if "Params" not in column}
    return {
        "better": sum(margin > TINY for margin in margins.values()),
        "scores": len(margins),
        "worse": " and ".join(column for column, margin in margins.items() if margin < -TINY),
        "tied": " and ".join(column for column, margin in margins.items() if abs(margin) <= TINY),
    }
