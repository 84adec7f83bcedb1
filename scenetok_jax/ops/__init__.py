"""Functions of arrays below the networks: attention, rotations, norms."""
