# shellcheck shell=bash
# Environment of CPU processes; sourced by local.sh.

# Collectives between processes: Gloo needs no MPI (jax's default, stated).
export JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo
# One process must not take all cores from the others.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Large pages for the buffers of a step, which are new memory every time: a
# full-size step is a tenth faster (docs/performance.md).
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
