# shellcheck shell=bash
# Environment of NVIDIA GPU processes; sourced by slurm.sbatch and
# reproduce.sh.

# The compiler's flags, and why each is there, are in the package: `scenetok
# aot` compiles with the same.
flags=$(dirname "${BASH_SOURCE[0]}")/../scenetok_jax/aot/gpu_flags.txt
flags=$(grep '^--' "$flags" | paste -sd ' ' -)
export XLA_FLAGS="${XLA_FLAGS:-} $flags"
# JAX's share of GPU memory; the rest is left to NCCL and cuDNN.
export XLA_PYTHON_CLIENT_MEM_FRACTION="${XLA_PYTHON_CLIENT_MEM_FRACTION:-0.92}"
# Compiled steps are kept beside the run: a job that is queued again starts
# without compiling.
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-${WORKDIR:-/tmp}/jax_cache}"
