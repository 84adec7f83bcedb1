"""Looking into prepared data: statistics and pictures."""
