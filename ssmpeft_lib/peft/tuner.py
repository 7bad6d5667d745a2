"""The tuner: attaches a method's deltas for `peft.get_peft_model`, and takes them away again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from accelerate import init_empty_weights
from peft.tuners.tuners_utils import BaseTuner
from torch import nn

from ..adapters.adapted_model import AdaptedModel
from ..adapters.api import Adaptation, remove
from ..adapters.attach import check_own_weights
from ..adapters.backbone import Backbone
from ..adapters.method import build_method
from ..adapters.mixed_class import mix_in
from ..adapters.quantised import PLAIN
from ..adapters.storage import check_base, check_indices, embedding_rows
from .combine import Combination, combine
from .config import SSMPeftConfig
from .export import no_counterpart
from .layers import CARRIERS, Carrier, WeightCarrier


class SSMPeftModel(BaseTuner):
    """A model with adapters of this library; made by `peft.get_peft_model(model, SSMPeftConfig(...))`."""

    # the name of the container in which every carrier keeps its adapters
    prefix = "deltas"
    tuner_layer_cls = Carrier
    target_module_mapping: dict = {}

    def _prepare_adapter_config(self, peft_config: SSMPeftConfig, model_config: dict) -> SSMPeftConfig:
        return peft_config

    def _check_target_module_compatiblity(self, *args) -> None:
        """Every slot acts on every path, also those that peft refuses on Mamba."""

    def _create_and_replace(self, *args, **kwargs) -> None:
        raise NotImplementedError("adapters are attached by slots, not by module names")

    def _inject_parameters(
        self, peft_config: SSMPeftConfig, model: nn.Module, adapter_name: str, low_cpu_mem_usage: bool
    ) -> list[str]:
        _check_free(model, adapter_name)
        check_base(peft_config.base_class, peft_config.vocab_size, model)
        peft_config.vocab_size = embedding_rows(model)
        peft_config.base_class = peft_config.base_class or type(model).__name__
        method = build_method(peft_config.method)
        backbone = Backbone(model, CARRIERS, adapter_name)
        with _untouched_on_error(model, adapter_name), init_empty_weights() if low_cpu_mem_usage else nullcontext():
            backbone.prepare()
            method.adapt(backbone)
            carrying = {name: carrier for name, carrier in _carriers(model) if adapter_name in carrier.deltas}
            if not carrying:
                raise ValueError(
                    f"method {peft_config.method!r} adds nothing to the model; name slots, or leave peft out"
                )
        mix_in(model, AdaptedModel)
        # as it is saved, so that it means the same when a default changes
        peft_config.method = method.spelled_out()
        model.ssmpeft = getattr(model, "ssmpeft", {}) | {adapter_name: Adaptation(method, adapter_name, CARRIERS)}
        for name, carrier in carrying.items():
            carrier.no_lora = no_counterpart(model, name, carrier)
            # peft fills the tensors in itself
            carrier.deltas[adapter_name].register_load_state_dict_post_hook(_check_loaded)
        return list(carrying)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args, adapter_names: list[str] | None = None, **kwargs) -> Iterator[None]:
        """Refuse another adapter for each row of a batch; peft calls this around every forward and generation."""
        if adapter_names is not None:
            raise ValueError(
                f"adapter_names={adapter_names!r}: a batch is computed with the active adapters, not with one for each "
                "row; call set_adapter and compute the rows of each adapter in a batch of their own"
            )
        yield

    def _cast_adapter_dtype(self, adapter_name: str, autocast_adapter_dtype: bool = True) -> None:
        """Leave an adapter in float32, or put it into the type of what it stands at, as peft's own tuners do."""
        super()._cast_adapter_dtype(adapter_name, autocast_adapter_dtype)
        if autocast_adapter_dtype:
            return
        usual = next(
            p.dtype for name, p in self.model.named_parameters() if ".deltas." not in name and p.is_floating_point()
        )
        for _, carrier in _carriers(self.model):
            if adapter_name in carrier.deltas:
                own = carrier.weight.dtype if isinstance(carrier, WeightCarrier) else usual
                carrier.deltas[adapter_name].to(own if own in PLAIN else usual)

    def add_weighted_adapter(
        self,
        adapters: list[str],
        weights: list[float],
        adapter_name: str,
        combination_type: str = "cat",
        svd_rank: int | None = None,
    ) -> None:
        """Add an adapter that changes the model by the weighted sum of what others change it by.

        Args:
            adapters, weights: adapters with the same slots, and their weights, of any sign.
            adapter_name: of the new one, which becomes an inactive adapter.
            combination_type: `cat` for the exact sum, whose rank is the sum of the ranks; `svd` for the nearest change
                of rank `svd_rank`.
            svd_rank: by default the largest rank of the adapters.
        Raises:
            ValueError: the changes cannot be added up, or there is another rule than those two; says what to do.
        """
        combine(self, Combination(tuple(adapters), tuple(weights), combination_type, svd_rank), adapter_name)

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        """Add adapters, all active ones if none are named, to the frozen weights; refuses before anything is merged."""
        check_own_weights(self.model)
        for _, carrier in _carriers(self.model):
            carrier.check_mergeable(adapter_names)
            if safe_merge and isinstance(carrier, WeightCarrier):
                carrier.check_finite(adapter_names)
        super().merge_adapter(adapter_names, safe_merge)

    def delete_adapter(self, adapter_name: str) -> None:
        super().delete_adapter(adapter_name)
        del self.model.ssmpeft[adapter_name]

    def _unload_and_optionally_merge(
        self,
        merge: bool = True,
        progressbar: bool = False,
        safe_merge: bool = False,
        adapter_names: list[str] | None = None,
    ) -> nn.Module:
        if merge:
            self.merge_adapter(adapter_names, safe_merge)
        remove(self.model)
        # what is left is peft's own: modules that were trained whole
        return super()._unload_and_optionally_merge(merge, progressbar, safe_merge, adapter_names)

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        # the adapter's name is in the middle: mixer.in_proj.deltas.default.in_proj_x.lora_A
        return key.replace(f".deltas.{adapter_name}.", ".deltas.", 1)


def _carriers(model: nn.Module) -> list[tuple[str, Carrier]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, Carrier)]


def _check_free(model: nn.Module, adapter: str) -> None:
    """Raise a ValueError when a new adapter's name cannot be used, or would take the place of another adapter.

    Another one may also be one that peft cannot see.
    """
    try:
        nn.ModuleDict({adapter: nn.Identity()})
    except (KeyError, TypeError):
        raise ValueError(
            f"{adapter!r} cannot be the name of an adapter: torch keeps modules by names without dots, and none that "
            "an attribute of a ModuleDict has; call it v1_0 in place of v1.0, and not keys or update"
        ) from None
    for name, found in getattr(model, "ssmpeft", {}).items():
        if found.wrappers != CARRIERS:
            raise ValueError(
                f"the model is adapted already ({found.method}); call ssmpeft_lib.merge or ssmpeft_lib.remove first, "
                "or load the model again"
            )
        if name == adapter:
            raise ValueError(
                f"the model has an adapter {adapter!r} already ({found.method}); give the new one another name, or "
                "call merge_and_unload or unload of the peft model first"
            )


def _check_loaded(deltas: nn.Module, incompatible_keys: object) -> None:
    check_indices(deltas)


@contextmanager
def _untouched_on_error(model: nn.Module, adapter: str) -> Iterator[None]:
    """Take an adapter away again when attaching it fails, and everything if it was the first."""
    first, flags = not _carriers(model), [(p, p.requires_grad) for p in model.parameters()]
    try:
        yield
    except Exception:
        for _, carrier in _carriers(model):
            carrier.remove(adapter)
        if first:
            remove(model)
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        raise
