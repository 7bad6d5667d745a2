"""Changes to a model's weights and states, and the slots they attach to. Knows no method and no model by name."""
