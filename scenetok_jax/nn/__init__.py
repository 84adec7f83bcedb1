"""Linen layers that all networks share: attention, blocks, embeddings."""
