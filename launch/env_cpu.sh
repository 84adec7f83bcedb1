# shellcheck shell=bash
# Environment of CPU processes; sourced by local.sh.

# Collectives between processes: Gloo needs no MPI (jax's default, stated).
export JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo
# One process must not take all cores from the others.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Processes of a busy machine come minutes apart to their first collective;
# XLA's 40 s would end the job.
flags="--xla_cpu_collective_call_terminate_timeout_seconds=600"
flags+=" --xla_cpu_collective_timeout_seconds=600"
# Kernels for elementwise work in registers of 512 bits where there are such:
# a forward pass is 1 to 2 % faster.
flags+=" --xla_cpu_prefer_vector_width=512"
export XLA_FLAGS="${XLA_FLAGS:-} $flags"
# Large pages for the buffers of a step, which are new memory every time: steps
# are a twentieth faster (docs/performance_training.md).
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
