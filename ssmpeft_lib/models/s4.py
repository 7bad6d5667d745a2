"""Deep S4 networks: the regression stacks of Figures 1 and 2 and the image classifier of Table 4."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..mixers.s4d import S4D, S4DConfig

MODELS = {
    "s4-deep": {
        "config": {"n_layers": 8, "d_model": 64, "d_state": 16, "d_input": 1, "d_output": 10},
        "stand_in": {"n_layers": 2, "d_model": 64, "d_state": 16, "d_input": 1, "d_output": 10},
        "share_of": "base", "reads": "numbers",
        "pretrained_on": "cifar10-pixels",
    },
    "s4-regression": {
        "config": {"n_layers": 4, "d_model": 64, "d_state": 16, "init": "random", "released_lag": 100},
        "stand_in": {"n_layers": 2, "d_model": 64, "d_state": 16, "init": "random", "released_lag": 100},
        "target": {"n_layers": 1, "d_model": 64, "d_state": 8, "init": "random"},
        "share_of": "base", "reads": "series", "drawn": True,
    },
}  # fmt: skip
"""`s4-deep`, Table 4: eight layers, 16 states and 64 channels; one number a pixel in, ten classes out.

`s4-regression`, Figures 1 and 2: a deep S4 with random weights that is adapted to act as a `target` of fewer layers and
states (Sec. 5.3; the state sizes are those of the released script). Nothing is pretrained: each seed of a cell draws
both.

Shares of both are of the model without adapters. Both are small enough to be run as they are at every scale; the
stand-ins are for tests."""

WEIGHTS = "model.safetensors"


class DeepS4(nn.Module):
    """A stack of deep S4 layers.

    Without an encoder and a decoder it is the paper's deep S4 model: layer after layer, sequence to sequence.
    With both it is the authors' image classifier: each layer inside a skip connection, then the mean over the sequence.

    Args:
        layer: what each layer looks like.
        n_layers: how many.
        d_input, d_output: widths of the encoder's input and the decoder's output; both or neither.
        unused_norms: build the LayerNorms that the authors' classifier counts and optimises but never applies.
    """

    def __init__(
        self,
        layer: S4DConfig,
        n_layers: int,
        d_input: int | None = None,
        d_output: int | None = None,
        unused_norms: bool = False,
    ) -> None:
        super().__init__()
        if (d_input is None) != (d_output is None):
            raise ValueError(f"DeepS4: give d_input and d_output both or neither (got {d_input} and {d_output})")
        self.encoder = None if d_input is None else nn.Linear(d_input, layer.d_model)
        self.layers = nn.ModuleList(S4D(layer) for _ in range(n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(layer.d_model) for _ in range(n_layers if unused_norms else 0))
        self.decoder = None if d_output is None else nn.Linear(layer.d_model, d_output)

    def forward(self, x: Tensor, form: str = "convolution") -> Tensor:
        """Map x [batch, seq_len, d_model] to the same shape; with an encoder, map [batch, seq_len, d_input] to
        logits [batch, d_output]."""
        if self.encoder is None:
            for layer in self.layers:
                x = layer(x, form=form)
            return x
        x = self.encoder(x)
        for layer in self.layers:
            x = x + layer(x, form=form)
        return self.decoder(x.mean(dim=-2))


def build(
    n_layers: int, d_input: int | None = None, d_output: int | None = None, unused_norms: bool | None = None, **layer
) -> DeepS4:
    """A deep S4 with random weights, drawn as the authors draw them.

    Args:
        unused_norms: as for `DeepS4`; None builds them where there is an encoder, as the authors do.
        layer: options of `S4DConfig`, such as `d_model` and `d_state`.
    """
    unused_norms = d_input is not None if unused_norms is None else unused_norms
    return DeepS4(S4DConfig(**layer), n_layers, d_input, d_output, unused_norms)


def draw(name: str, seed: int) -> tuple[DeepS4, DeepS4]:
    """A named model with random weights, and what it is to act as; both depend on the seed alone."""
    facts = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target, network = build(**facts["target"]), build(**facts["config"])
    return network, target


def save(network: DeepS4, folder: Path) -> None:
    """Write the weights of a named model into a folder."""
    from safetensors.torch import save_model

    Path(folder).mkdir(parents=True, exist_ok=True)
    save_model(network, str(Path(folder) / WEIGHTS))


def load(name: str, folder: Path) -> DeepS4:
    """A named model with the weights that `save` wrote.

    Raises:
        RuntimeError: the file holds the weights of a network of other sizes.
    """
    from safetensors.torch import load_model

    network = build(**MODELS[name]["config"])
    load_model(network, str(Path(folder) / WEIGHTS))
    return network
