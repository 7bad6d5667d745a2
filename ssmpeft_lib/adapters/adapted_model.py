"""What an adapted model does otherwise than the model that it was: saving it writes the adapter."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ..compat.torch import own_parameter
from ..compat.transformers import has_loaded_peft
from .adapter_set import AdapterSet
from .mixed_class import Mixin


class AdaptedModel(Mixin):
    """Mixed into the class of an adapted model, so that nothing that it saves passes for a whole model."""

    def get_parameter(self, target: str) -> nn.Parameter:
        """The parameter of that name, as `named_parameters` has it: of an adapted one the frozen values."""
        path, _, name = target.rpartition(".")
        found = own_parameter(self.get_submodule(path), name)
        return super().get_parameter(target) if found is None else found

    @property
    def _keys_to_ignore_on_save(self) -> set[str] | list[str] | None:
        """What transformers' Trainer need not miss in a checkpoint: everything that is frozen."""
        from .storage import live_names

        stock = getattr(super(), "_keys_to_ignore_on_save", None)
        return set(self.state_dict()) - set(live_names(self).values()) if _carries(self) else stock

    def save_pretrained(
        self,
        save_directory: str | Path,
        is_main_process: bool = True,
        state_dict: dict[str, Tensor] | None = None,
        push_to_hub: bool = False,
        **kwargs,
    ) -> None:
        """Write the adapter as `ssmpeft_lib.save` does; `ssmpeft_lib.merge` first to save a plain model.

        The folder also holds model.safetensors with the trained tensors alone, from which transformers' Trainer resumes
        and takes its best model. A model without deltas, as after full fine-tuning, is saved whole.

        Args:
            save_directory: the folder.
            is_main_process: whether this process writes at all.
            state_dict: what to write in place of the model's own tensors, as Trainer gives when they are spread out.
            push_to_hub: whether to upload the folder; `kwargs` go to `push_to_hub`, with `repo_id`.
        """
        from .storage import save_resumable

        if not _carries(self) or has_loaded_peft(self):
            options = {"is_main_process": is_main_process, "state_dict": state_dict, "push_to_hub": push_to_hub}
            super().save_pretrained(save_directory, **options, **kwargs)
            return
        if is_main_process:
            save_resumable(self, save_directory, state_dict)
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)


def _carries(model: nn.Module) -> bool:
    return any(isinstance(module, AdapterSet) for module in model.modules())
