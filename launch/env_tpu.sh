# shellcheck shell=bash
# Environment of TPU processes; sourced by tpu_queued.sh and xpk.sh.

# The compiler's flags, and why each is there, are in the package: `scenetok
# aot` compiles with the same.
flags=$(dirname "${BASH_SOURCE[0]}")/../scenetok_jax/aot/tpu_flags.txt
flags=$(grep '^--' "$flags" | paste -sd ' ' -)
export LIBTPU_INIT_ARGS="${LIBTPU_INIT_ARGS:-} $flags"
# Compiled steps are kept beside the run, whose folder outlives a slice: a
# preempted job starts without compiling.
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-${WORKDIR:-/tmp}/jax_cache}"
