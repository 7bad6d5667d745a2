"""Parameter-efficient fine-tuning of state space models."""
