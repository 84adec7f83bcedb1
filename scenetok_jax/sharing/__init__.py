"""What others take from here: models for the hub, scenes for other programs."""
