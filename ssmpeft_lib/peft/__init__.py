"""The methods of this library as one more tuner of Hugging Face peft."""
