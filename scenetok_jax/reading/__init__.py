"""Doors through which files of others enter: opened, limited, checked."""
