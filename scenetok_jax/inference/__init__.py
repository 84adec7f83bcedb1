"""A trained model ready to be used: SceneTok, its scenes and pictures."""
