"""Table 4: images as sequences, the printed shares, and a run in small."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ssmpeft_lib.models.s4 import MODELS, build
from ssmpeft_lib.theory import classification, pixels
from ssmpeft_lib.theory.arms import Arm, equip, select

torch.set_num_threads(1)


def pictures(count, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3072), dtype=np.uint8), rng.integers(0, 10, count)


def write_cifar10(folder, version):
    for index, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        images, labels = pictures(4, index)
        if version == "binary":
            records = np.concatenate([labels[:, None].astype(np.uint8), images], axis=1)
            (folder / f"{name}.bin").write_bytes(records.tobytes())
        else:
            content = {b"data": images, b"labels": labels.tolist()}
            (folder / name).write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("inside", ["", "cifar-10-batches"])
def test_cifar10_files(tmp_path, version, inside):
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    write_cifar10(folder, version)
    data = pixels.load_pixels(tmp_path)
    assert [len(part[0]) for part in (data.train, data.val, data.test)] == [18, 2, 4]
    assert not data.stand_in and data.train[0].shape[1:] == (1024, 1)
    images, labels = pictures(4, 5)
    assert data.test[1].tolist() == labels.tolist()
    picture = Image.fromarray(images[0].reshape(3, 32, 32).transpose(1, 2, 0)).convert("L")
    expected = (np.asarray(picture, np.float32).reshape(-1) / 255 - pixels.MEAN) / pixels.SPREAD
    np.testing.assert_allclose(data.test[0][0, :, 0], expected, rtol=1e-6)


def test_no_code_of_a_pickle_is_run(tmp_path):
    write_cifar10(tmp_path, "python")
    (tmp_path / "data_batch_3").write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    with pytest.raises(ValueError, match=r"data_batch_3: not a batch of CIFAR-10 \(it names os.system\)"):
        pixels.load_cifar10(tmp_path)


def test_damaged_and_missing_files_are_named(tmp_path):
    with pytest.raises(LookupError, match="holds neither data_batch_1 nor data_batch_1.bin"):
        pixels.load_cifar10(tmp_path)
    (tmp_path / "data_batch_1.bin").write_bytes(b"12345")
    with pytest.raises(ValueError, match="data_batch_1.bin: 5 bytes are no whole number of records"):
        pixels.load_cifar10(tmp_path)


def test_digits_are_a_stand_in_and_split_without_overlap():
    data = pixels.load_pixels(None)
    assert data.stand_in and [len(part[0]) for part in (data.train, data.val, data.test)] == [1437, 180, 180]
    assert data.train[0].shape == (1437, 64, 1)


@pytest.mark.parametrize(
    "row, printed", [("LoRA (Proj)", 16.00), ("LoRA (S4+Proj)", 15.25), ("SDLoRA", 11.17), ("Full Fine-Tuning", 100.0)]
)
def test_shares_are_the_printed_ones(row, printed):  # Table 4, column "# Params (%)"; 15.52 there
    frozen, arm = build(**MODELS["s4-deep"]["config"]), classification.ROWS[row]
    model = equip(frozen, arm, select(frozen, frozen, arm) if arm.channels else None, 0)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert round(100 * trained / sum(p.numel() for p in frozen.parameters()), 2) == printed


@pytest.fixture(scope="module")
def small():
    data = pixels.load_digits()
    return replace(
        data, **{split: tuple(part[:512] for part in getattr(data, split)) for split in ("train", "val", "test")}
    )


@pytest.fixture(scope="module")
def frozen(small):
    return classification.pretrain(small, 0, epochs=10, n_layers=1, d_model=32)


def test_pretraining_learns(small, frozen):
    assert classification.accuracy(frozen, *small.train) > 35


@pytest.mark.parametrize(
    "arm", [Arm("lora_proj", rank=2), Arm("sdlora", rank=2, channels=4, states=2, kept_channels=16, kept_states=16)]
)
def test_adapting_leaves_the_frozen_network_alone(small, frozen, arm):
    before = {name: tensor.clone() for name, tensor in frozen.state_dict().items()}
    result = classification.fine_tune(frozen, arm, small, seed=0, epochs=1)
    assert 0 <= result["test"] <= 100 and 0 < result["share"] < 100
    assert all(torch.equal(before[name], tensor) for name, tensor in frozen.state_dict().items())
