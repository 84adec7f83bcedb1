"""Tokens, latents and videos: functions of a model, parameters and arrays."""
