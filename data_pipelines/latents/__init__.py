"""Latents of frozen codecs: written over prepared data, read back."""
