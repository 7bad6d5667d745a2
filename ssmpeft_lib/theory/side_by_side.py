"""Many small models trained at once: parameters stacked, one vectorised forward, one AdamW with a rate for each."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


class SideBySide:
    """Models of equal structure, run and trained as if each were alone.

    Frozen parameters and buffers may differ between the models as well; only shapes have to agree.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.trainable = [name for name, parameter in models[0].named_parameters() if parameter.requires_grad]
        stacked, self.buffers = stack_module_state(list(models))
        self.parameters = {name: tensor.detach() for name, tensor in stacked.items()}
        self.template = copy.deepcopy(models[0]).to("meta")

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of all models, [models, ...], for one input each, [models, ...]."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.template, (parameters, buffers), (x,))

        return vmap(one)(self.parameters, self.buffers, x)

    def errors(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean squared error of each model, [models]."""
        return (self.forward(x) - y).square().flatten(1).mean(1)

    def train(
        self, batches: Iterable[tuple[Tensor, Tensor]], learning_rates: Tensor, weight_decay: float = 0.01
    ) -> Tensor:
        """One step of AdamW on the mean squared error for each batch.

        Args:
            batches: inputs and targets of every model, each [models, batch, seq_len, d_model].
            learning_rates: one for each model, [models].
        Returns:
            The error of each model on each batch, before the step, [steps, models].
        """
        weights = [self.parameters[name].requires_grad_() for name in self.trainable]
        moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
        history = []
        for step, (x, y) in enumerate(batches, start=1):
            errors = self.errors(x, y)
            history.append(errors.detach())
            gradients = torch.autograd.grad(errors.sum(), weights)
            with torch.no_grad():
                for weight, gradient, (mean, square) in zip(weights, gradients, moments, strict=True):
                    rates = learning_rates.view(-1, *[1] * (weight.dim() - 1))
                    adamw_(weight, gradient, mean, square, rates, step, weight_decay)
        for weight in weights:
            weight.requires_grad_(False)
        return torch.stack(history)


def adamw_(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rates: Tensor, step: int, weight_decay: float
) -> None:
    """One step of torch.optim.AdamW with its default betas and eps, in place; `rates` broadcast over `weight`."""
    mean.lerp_(gradient, 0.1)
    square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    denominator = (square / (1 - 0.999**step)).sqrt_().add_(1e-8)
    weight.mul_(1 - rates * weight_decay).sub_(rates / (1 - 0.9**step) * mean / denominator)
