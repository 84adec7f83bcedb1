"""Processes on CPUs find each other's compiled programs.

JAX's cache tells CPU devices of one process from those of another, and only the
first process writes it: each of the others would compile everything at every
start. On GPUs and TPUs all find what the first has written.
"""

import os
import types

if os.environ.get("JAX_PROCESS_ID"):
  from jax._src import cache_key, compiler

  def _hash_count(hash_obj, accelerators):
    # All ranks find a program, or none does: those that wait give up in 30 s.
    count = os.environ.get("JAX_NUM_PROCESSES")
    hash_obj.update(f"{accelerators.size} of {count}".encode())

  # Programs on devices of its own have keys that no other process writes.
  _lead = types.SimpleNamespace(process_id=0)
  _state = types.SimpleNamespace(global_state=_lead)
  cache_key._hash_accelerator_config = _hash_count
  compiler._cache_write = types.FunctionType(
    compiler._cache_write.__code__, {**vars(compiler), "distributed": _state}
  )
