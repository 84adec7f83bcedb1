"""Rules that rename parameters both ways; no network is known here."""
