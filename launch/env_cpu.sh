# shellcheck shell=bash
# Environment of CPU processes; sourced by local.sh.

# Collectives between processes: Gloo needs no MPI (jax's default, stated).
export JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo
# One process must not take all cores from the others.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
