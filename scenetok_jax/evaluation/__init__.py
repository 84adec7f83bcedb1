"""Scoring a trained model: plan, renderings, scores, tables."""
