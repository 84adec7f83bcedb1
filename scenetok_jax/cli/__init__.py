"""Commands: one thin file per verb."""
