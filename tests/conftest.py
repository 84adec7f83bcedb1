"""Test-wide set-up: eight fake CPU devices, parsed flags, no compile cache."""

import os

# Must precede the first import of jax, in this process and in its children.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
# Tests compile more than they compute: LLVM's first level saves minutes.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

from absl import flags

# Grain reads flags in its worker processes.
flags.FLAGS.mark_as_parsed()
