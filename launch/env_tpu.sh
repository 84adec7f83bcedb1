# shellcheck shell=bash
# Environment of TPU processes; sourced by tpu_queued.sh and xpk.sh. A flag
# libtpu does not know stops the process; tests/launch loads libtpu with them.

# Overlaps all-gathers of fsdp parameters with the matrix products that do not
# need them yet.
flags="--xla_tpu_enable_async_collective_fusion=true"
flags+=" --xla_tpu_enable_async_collective_fusion_fuse_all_gather=true"
flags+=" --xla_tpu_enable_async_collective_fusion_multiple_steps=true"
# The same for all-reduces of gradients, whose sizes differ by layer.
flags+=" --xla_tpu_enable_async_collective_fusion_fuse_all_reduce=true"
flags+=" --xla_tpu_enable_data_parallel_all_reduce_opt=true"
flags+=" --xla_tpu_data_parallel_opt_different_sized_ops=true"
# Lets the tensor core work while collectives are in flight.
flags+=" --xla_tpu_overlap_compute_collective_tc=true"
# All-gathers start early and are waited for late.
flags+=" --xla_enable_async_all_gather=true"
export LIBTPU_INIT_ARGS="${LIBTPU_INIT_ARGS:-} $flags"
# Compiled steps are kept beside the run, whose folder outlives a slice: a
# preempted job starts without compiling.
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-${WORKDIR:-/tmp}/jax_cache}"
