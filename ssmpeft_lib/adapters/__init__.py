"""Changes to a model's weights and states, and the slots they attach to. Knows no method and no model by name."""

from ..compat.window import warn_outside

# here, where computing begins, as planning is to stay quick
warn_outside()
