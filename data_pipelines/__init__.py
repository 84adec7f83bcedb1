"""Jobs that write posed video as records, and the readers that train on it."""
