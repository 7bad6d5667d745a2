"""Stand-ins for what is published elsewhere: small pretrained models, their corpus and their tokenizer."""
