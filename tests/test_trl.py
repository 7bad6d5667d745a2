"""TRL's SFTTrainer on packed rows and padding-free batches: the losses are those of documents one by one."""

from __future__ import annotations

import math

import pytest
import torch
from families import build
from required import missing
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

import ssmpeft_lib
from ssmpeft_lib import SSMPeftConfig

try:
    import trl
    from datasets import Dataset
except ImportError as error:
    missing("trl", f"{error}; pip install 'ssmpeft-lib[examples]'")

pytestmark = pytest.mark.slow
SETTINGS = {
    **{"report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "save_strategy": "no"},
    **{"per_device_train_batch_size": 4, "per_device_eval_batch_size": 8, "gradient_checkpointing": False},
}
LENGTHS = (3, 9, 5, 2, 7, 4, 6, 8)


def tokenizer() -> PreTrainedTokenizerFast:
    words = WordLevel({f"t{i}": i for i in range(64)}, unk_token="t0")
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), pad_token="t0", eos_token="t1", unk_token="t0")


def documents() -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(2, 64, (length,), generator=generator).tolist() for length in LENGTHS]


def trainer(family: str, folder, method: str, **options) -> trl.SFTTrainer:
    torch.manual_seed(0)
    config = SETTINGS | {"output_dir": str(folder), "max_steps": 2, "learning_rate": 1e-2} | options
    data = Dataset.from_dict({"input_ids": documents()})
    peft_config = SSMPeftConfig(method=method, task_type="CAUSAL_LM")
    return trl.SFTTrainer(
        build(family),
        trl.SFTConfig(**config),
        train_dataset=data,
        eval_dataset=data,
        processing_class=tokenizer(),
        peft_config=peft_config,
    )


@torch.no_grad()
def one_by_one(model) -> float:
    """The mean loss of the tokens that have one before them in their document."""
    total, count = 0.0, 0
    for ids in documents():
        batch = torch.tensor([ids])
        total += float(model(input_ids=batch, labels=batch).loss) * (len(ids) - 1)
        count += len(ids) - 1
    return total / count


PACKING = {
    "padding free": {"padding_free": True, "max_length": None},
    "packed": {"packing": True, "max_length": 16},
    "checkpointed": {"packing": True, "max_length": 16, "gradient_checkpointing": True},
    "padded": {"max_length": 16},
}


@pytest.mark.parametrize("method", ["lora@linear,rank=2", "initial_state"])
@pytest.mark.parametrize("packing", PACKING)
@pytest.mark.parametrize("family", ["Mamba", "Mamba2", "Jamba", "Bamba"])
def test_supervised_fine_tuning(family, packing, method, tmp_path):
    run = trainer(family, tmp_path, method, **PACKING[packing])
    trained = run.train()
    assert math.isfinite(trained.training_loss)
    run.model.eval()
    assert run.evaluate()["eval_loss"] == pytest.approx(one_by_one(run.model), rel=1e-4)


@pytest.mark.parametrize("family", ["Mamba", "Bamba"])
def test_packed_training_takes_the_steps_of_padded_training(family, tmp_path):
    """All documents in one batch, so that both take the same gradients."""
    adapters = []
    for name in ("padding free", "padded"):
        run = trainer(
            family,
            tmp_path / name,
            "lora@out_proj,rank=2,dropout=0",
            **PACKING[name] | {"per_device_train_batch_size": 8, "optim": "sgd"},
        )
        run.train()
        adapters.append({n: p.detach().clone() for n, p in run.model.named_parameters() if p.requires_grad})
    for name, value in adapters[1].items():
        torch.testing.assert_close(adapters[0][name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_a_soft_prompt_is_refused_on_packed_rows(tmp_path):
    with pytest.raises(
        ValueError, match="a soft prompt stands in front of a row.*packing=False and padding_free=False"
    ):
        trainer("Mamba", tmp_path, "prompt,tokens=2", **PACKING["packed"]).train()


def test_adapted_models_go_in_as_they_are(tmp_path):
    model = ssmpeft_lib.adapt(build("Mamba"), "sdlora,freeze_channels=0.9")
    config = trl.SFTConfig(**SETTINGS | PACKING["packed"] | {"output_dir": str(tmp_path), "max_steps": 1})
    data = Dataset.from_dict({"input_ids": documents()})
    run = trl.SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer())
    assert math.isfinite(run.train().training_loss)
