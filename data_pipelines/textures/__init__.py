"""Procedural textures that both generators of rooms paint with."""
