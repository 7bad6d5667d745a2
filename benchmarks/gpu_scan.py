"""The selective scan on a CUDA device, forward and backward: `python benchmarks/gpu_scan.py` writes a JSON file.

Triton against mamba_ssm's CUDA kernel, where that is installed, and against the torch loop; then Triton with other
tiles. Every variant's results are first compared with the torch loop's in float32. Ten minutes are enough.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import torch
from device import CUDA, DEVICE, Clock, about, alternated, ratio

from ssmpeft_lib.ops import backends, selective_scan
from ssmpeft_lib.ops.selective_scan import triton as triton_scan
from ssmpeft_lib.plan.results import write_json

OUTPUT = Path("results/benchmarks/gpu_scan.json")

SIZES = {"130M": (4, 1536, 16), "1.4B": (4, 4096, 16)} if CUDA else {"toy": (1, 2, 2)}
LENGTHS = (512, 1500, 4096) if CUDA else (5,)
TILES = list(product((4, 8, 16, 32), (8, 16, 32, 64), (2, 4, 8))) if CUDA else [(2, 4, 4)]
LARGEST_TILE = 32 * 16
"""Channels times steps; larger tiles do not fit in the registers."""


def inputs(batch: int, d_inner: int, d_state: int, seq_len: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """As a mixer hands them over: transposed (batch, seq_len, channels) tensors."""
    torch.manual_seed(0)

    def sequence(channels):
        return torch.randn(batch, seq_len, channels, device=DEVICE, dtype=dtype).transpose(1, 2)

    made = {
        "u": sequence(d_inner),
        "delta": sequence(d_inner) - 3,
        "A": -torch.arange(1.0, d_state + 1, device=DEVICE).repeat(d_inner, 1),
        "B": sequence(d_state),
        "C": sequence(d_state),
        "D": torch.ones(d_inner, device=DEVICE),
        "z": sequence(d_inner),
        "delta_bias": torch.zeros(d_inner, device=DEVICE),
    }
    return {name: tensor.detach().requires_grad_() for name, tensor in made.items()}


def gradients(backend: str, given: dict[str, torch.Tensor]):
    """A call that runs the scan and takes all gradients."""
    weight = torch.randn(given["u"].shape, device=DEVICE, dtype=torch.float32).to(given["u"].dtype)

    def run():
        y = selective_scan(**given, delta_softplus=True, backend=backend)
        return y, *torch.autograd.grad(y, list(given.values()), weight)

    return run


def worst_error(backend: str, given: dict[str, torch.Tensor]) -> float:
    """Largest relative error of the output and of all gradients against the torch loop in float32."""
    exact = {name: tensor.detach().float().requires_grad_() for name, tensor in given.items()}
    torch.manual_seed(1)
    got = gradients(backend, given)()
    torch.manual_seed(1)
    expected = gradients("torch", exact)()
    errors = [(a.float() - b).abs().max() / b.abs().max() for a, b in zip(got, expected, strict=True)]
    return float(max(errors))


def with_tile(channels: int, steps: int, warps: int, run):
    def tiled():
        triton_scan.CHANNELS, triton_scan.STEPS = channels, steps
        triton_scan.FORWARD_WARPS = triton_scan.BACKWARD_WARPS = warps
        return run()

    return tiled


def compared(clock: Clock, rounds: int) -> list[dict]:
    rows = []
    names = [name for name in ("triton", "mamba_ssm", "torch") if backends()[name].available]
    for (model, size), seq_len, dtype in product(SIZES.items(), LENGTHS, (torch.bfloat16, torch.float32)):
        if clock.left() < 0:
            break
        given = inputs(*size, seq_len, dtype)
        errors = {name: worst_error(name, given) for name in names if name != "torch"}
        measured = alternated({name: gradients(name, given) for name in names}, rounds, clock)
        rows.append(
            {
                "model": model,
                "seq_len": seq_len,
                "dtype": str(dtype).removeprefix("torch."),
                "relative_errors": errors,
                "measured": measured,
                "mamba_ssm_over_triton": ratio(measured, "mamba_ssm", "triton"),
                "torch_over_triton": ratio(measured, "torch", "triton"),
            }
        )
    return rows


def tiles(clock: Clock, rounds: int) -> list[dict]:
    usual = (triton_scan.CHANNELS, triton_scan.STEPS, triton_scan.FORWARD_WARPS, triton_scan.BACKWARD_WARPS)
    size = next(iter(SIZES.values()))
    run = gradients("triton", inputs(*size, LENGTHS[-1], torch.bfloat16))
    rows = []
    for channels, steps, warps in TILES:
        if clock.left() < 0 or channels * steps > LARGEST_TILE:
            continue
        measured = alternated({"triton": with_tile(channels, steps, warps, run)}, rounds, clock)["triton"]
        rows.append({"channels": channels, "steps": steps, "warps": warps} | measured)
    triton_scan.CHANNELS, triton_scan.STEPS, triton_scan.FORWARD_WARPS, triton_scan.BACKWARD_WARPS = usual
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8, help="stop starting measurements after this time")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    clock = Clock(options.minutes * 60)
    result = {"made_by": about(), "backends": {name: state.detail for name, state in backends().items()}}
    result["compared"] = compared(clock, options.rounds)
    write_json(options.output, result)
    write_json(options.output, result | {"tiles": tiles(clock, max(2, options.rounds // 3))})


if __name__ == "__main__":
    main()
