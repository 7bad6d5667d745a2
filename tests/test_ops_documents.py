"""Rows of several documents: every op starts anew at each, as if they were run one by one, values and gradients."""

from __future__ import annotations

import pytest
import torch
from ops_inputs import assert_close, need, outputs_and_gradients, scan_inputs
from required import torch_compiles
from test_ops_conv import conv_inputs
from test_ops_ssd import ssd_inputs

from ssmpeft_lib.ops import causal_conv1d, selective_scan, ssd_scan

LENGTHS = {
    "one": [[70], [70]],
    "two": [[30, 40], [1, 69]],
    "short": [[1, 1, 2, 3, 1, 5, 57], [64, 1, 1, 1, 1, 1, 1]],
    "grid": [[32, 32, 6], [64, 6]],
    "steps": [[1] * 70, [2] * 35],
}
"""Lengths of the documents of two rows; the kernels cut rows into chunks of 16, 32 and more steps."""

every_lengths = pytest.mark.parametrize("lengths", LENGTHS)


def seq_idx_of(lengths: list[list[int]], dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.stack([torch.repeat_interleave(torch.arange(len(row)), torch.tensor(row)) for row in lengths]).to(
        dtype
    )


def one_by_one(op, lengths, time, initial: str):
    """The op on each document alone; outputs that have time are put together, and of the others the last is kept."""

    def run(**inputs):
        rows = []
        for b, row in enumerate(lengths):
            cuts = torch.tensor(row).cumsum(0)[:-1]
            pieces = []
            for part in range(len(row)):
                of_part = {}
                for name, tensor in inputs.items():
                    if name in time:
                        tensor = tensor[b : b + 1].tensor_split(cuts, dim=time[name])[part]
                    elif name == initial and len(tensor) > 1:
                        tensor = tensor[b : b + 1]
                    of_part[name] = tensor
                pieces.append(op(**of_part))
            first, *others = zip(*pieces, strict=True)
            rows.append((torch.cat(first, dim=time["out"]), *(other[-1] for other in others)))
        return tuple(torch.cat(outputs) for outputs in zip(*rows, strict=True))

    return run


def scan(backend, **options):
    def run(**inputs):
        return selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend=backend, **options)

    return run


def conv(backend, **options):
    return lambda **inputs: (causal_conv1d(**inputs, backend=backend, **options),)


def ssd(backend, **options):
    def run(**inputs):
        return ssd_scan(
            **inputs, delta_softplus=True, delta_limit=(0.01, 2.0), return_last_state=True, backend=backend, **options
        )

    return run


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def own(inputs: dict, name: str) -> dict:
    """The same inputs with an initial value for each row."""
    shape = inputs[name].shape
    return inputs | {name: torch.randn(2, *shape[1:], dtype=inputs[name].dtype, requires_grad=True)}


def variants(inputs: dict, initial: str) -> list[dict]:
    return [inputs, own(inputs, initial), {name: tensor for name, tensor in inputs.items() if name != initial}]


@every_lengths
@pytest.mark.parametrize("backend", ["naive", "cpp", "torch"])
def test_the_scan_of_each_document_is_its_own(backend, lengths):
    lengths, time = LENGTHS[lengths], dict.fromkeys(("u", "delta", "z", "B", "C", "out"), 2)
    for inputs in variants(scan_inputs(2, 19, 5, 70), "initial_state"):
        expected = outputs_and_gradients(one_by_one(scan("naive"), lengths, time, "initial_state"), inputs)
        found = outputs_and_gradients(scan(need(backend), seq_idx=seq_idx_of(lengths)), inputs)
        assert_close(found, expected, 1e-11)


@every_lengths
@pytest.mark.parametrize("backend", ["naive", "cpp", "torch"])
@pytest.mark.parametrize("width", [1, 2, 4, 7])
def test_the_convolution_of_each_document_is_its_own(backend, width, lengths):
    lengths, time = LENGTHS[lengths], {"x": 2, "out": 2}
    for inputs in variants(conv_inputs(2, 19, width, 70), "initial_columns"):
        for layout in (lambda x: x, lambda x: x.contiguous()):
            given = inputs | {"x": layout(inputs["x"].detach()).requires_grad_()}
            expected = outputs_and_gradients(one_by_one(conv("naive"), lengths, time, "initial_columns"), given)
            found = outputs_and_gradients(conv(need(backend), seq_idx=seq_idx_of(lengths)), given)
            assert_close(found, expected, 1e-12)


@every_lengths
@pytest.mark.parametrize("backend, chunk", [("naive", 64), ("torch", 1), ("torch", 16), ("torch", 64)])
def test_the_ssd_scan_of_each_document_is_its_own(backend, chunk, lengths):
    lengths, time = LENGTHS[lengths], dict.fromkeys(("x", "delta", "B", "C", "out"), 1)
    for inputs in variants(ssd_inputs(2, 70, 4, 3, 2, 5), "initial_state"):
        expected = outputs_and_gradients(one_by_one(ssd("naive"), lengths, time, "initial_state"), inputs)
        found = outputs_and_gradients(ssd(backend, chunk=chunk, seq_idx=seq_idx_of(lengths)), inputs)
        assert_close(found, expected, 1e-10)


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 5e-6), (torch.bfloat16, 1.6e-2)])
@pytest.mark.parametrize("backend", ["cpp", "torch"])
def test_error_bounds(backend, dtype, bound):
    seq_idx = seq_idx_of(LENGTHS["short"])
    for run, inputs in ((scan, scan_inputs(2, 40, 16, 70, dtype)), (conv, conv_inputs(2, 40, 4, 70, dtype))):
        exact = {name: tensor.detach().double().requires_grad_() for name, tensor in inputs.items()}
        expected = outputs_and_gradients(run("naive", seq_idx=seq_idx), exact)
        assert_close(outputs_and_gradients(run(need(backend), seq_idx=seq_idx), inputs), expected, bound)


@pytest.mark.parametrize("backend", ["cpp", "torch"])
@pytest.mark.parametrize(
    "run, make", [(scan, lambda: scan_inputs(2, 9, 3, 9)), (conv, lambda: conv_inputs(2, 9, 4, 9))]
)
def test_one_document_a_row_is_no_packing(backend, run, make):
    inputs = make()
    plain = outputs_and_gradients(run(need(backend)), inputs)
    for number in (0, 7):
        numbered = torch.full((2, 9), number)
        assert_close(outputs_and_gradients(run(backend, seq_idx=numbered), inputs), plain, 1e-14)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.bool])
def test_numbers_may_be_of_any_type_and_come_again(dtype):
    inputs = scan_inputs(1, 5, 3, 6)
    again = torch.tensor([[0, 0, 1, 1, 0, 0]], dtype=dtype)
    expected = outputs_and_gradients(scan("naive", seq_idx=torch.tensor([[3, 3, 5, 5, 9, 9]])), inputs)
    for backend in (need("cpp"), "torch"):
        assert_close(outputs_and_gradients(scan(backend, seq_idx=again), inputs), expected, 1e-12)


@pytest.mark.parametrize(
    "run, make", [(scan, lambda: scan_inputs(2, 9, 3, 0)), (conv, lambda: conv_inputs(2, 9, 4, 0))]
)
@pytest.mark.parametrize("backend", ["cpp", "torch"])
def test_empty_rows(backend, run, make):
    seq_idx, inputs = torch.zeros(2, 0, dtype=torch.int32), make()
    plain = outputs_and_gradients(run(need(backend)), inputs)
    assert_close(outputs_and_gradients(run(backend, seq_idx=seq_idx), inputs), plain, 0.0)


@torch_compiles
@pytest.mark.parametrize("backend", ["cpp", "torch"])
def test_compiles_into_one_graph(backend):
    seq_idx = seq_idx_of([[4, 5], [1, 8]])
    runs = [(scan, scan_inputs(2, 5, 3, 9)), (conv, conv_inputs(2, 5, 4, 9))]
    if backend == "torch":
        runs.append((ssd, ssd_inputs(2, 9, 4, 3, 2, 5)))
    for run, inputs in runs:
        op = run(need(backend), seq_idx=seq_idx)
        compiled = torch.compile(op, fullgraph=True, backend="aot_eager")
        assert_close(outputs_and_gradients(compiled, inputs), outputs_and_gradients(op, inputs), 1e-13)


@pytest.mark.parametrize(
    "seq_idx, message",
    [
        (torch.zeros(1, 9), r"seq_idx is torch.float32, expected whole numbers"),
        (torch.zeros(9, dtype=torch.int32), r"seq_idx has shape \(9,\), expected \(batch, seq_len\) = \(1, 9\)"),
        (torch.zeros(1, 8, dtype=torch.int32), r"seq_idx has shape \(1, 8\), expected \(batch, seq_len\) = \(1, 9\)"),
    ],
)
def test_bad_numbers_are_named(seq_idx, message):
    for run, inputs in (
        (scan, scan_inputs(1, 5, 3, 9)),
        (conv, conv_inputs(1, 5, 4, 9)),
        (ssd, ssd_inputs(1, 9, 4, 3, 2, 5)),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            run("auto", seq_idx=seq_idx)(**inputs)


def test_a_backend_that_runs_on_is_refused():
    with pytest.raises(ValueError, match="backend is 'mamba_ssm', expected 'auto' or one of cpp, .*torch, naive"):
        selective_scan(**scan_inputs(1, 5, 3, 9), seq_idx=torch.zeros(1, 9, dtype=torch.int32), backend="mamba_ssm")
