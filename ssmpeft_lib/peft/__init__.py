"""The methods of this library as one more tuner of Hugging Face peft."""

# first of all, as the modules here are registered behind its import and must not be half imported by then
import peft as peft
