# shellcheck shell=bash
# Environment of NVIDIA GPU processes; sourced by slurm.sbatch and
# reproduce.sh. A flag XLA does not know stops the process; tests/launch starts
# one with them.

# Hides all-gathers and reduce-scatters of fsdp behind matrix products.
flags="--xla_gpu_enable_latency_hiding_scheduler=true"
# One large collective is faster than a message per layer's small tensors;
# 128 MiB covers a block of the renderer.
flags+=" --xla_gpu_all_reduce_combine_threshold_bytes=134217728"
flags+=" --xla_gpu_all_gather_combine_threshold_bytes=134217728"
flags+=" --xla_gpu_reduce_scatter_combine_threshold_bytes=134217728"
# A scanned network is a loop: collectives of the next layer start in the one
# before it, and two copies of the body save moving what they receive.
flags+=" --xla_gpu_enable_pipelined_all_gather=true"
flags+=" --xla_gpu_enable_pipelined_reduce_scatter=true"
flags+=" --xla_gpu_enable_pipelined_all_reduce=true"
flags+=" --xla_gpu_enable_while_loop_double_buffering=true"
export XLA_FLAGS="${XLA_FLAGS:-} $flags"
# JAX's share of GPU memory; the rest is left to NCCL and cuDNN.
export XLA_PYTHON_CLIENT_MEM_FRACTION="${XLA_PYTHON_CLIENT_MEM_FRACTION:-0.92}"
# Compiled steps are kept beside the run: a job that is queued again starts
# without compiling.
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-${WORKDIR:-/tmp}/jax_cache}"
