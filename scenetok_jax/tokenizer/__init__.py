"""The tokenizer: context latents and cameras to scene tokens."""
