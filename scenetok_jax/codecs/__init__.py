"""Frozen codecs between pixels and latents, a module each."""
