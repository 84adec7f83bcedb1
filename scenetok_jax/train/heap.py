"""Memory that was freed, given back to the system."""

import ctypes


def release_freed_memory() -> None:
  """Has glibc's malloc give back the pages that it holds free.

  It keeps them, per thread, for the next request: hundreds of MiB after a
  compilation, and a little more with every save. Does nothing where the C
  library is another.
  """
  try:
    trim = ctypes.CDLL(None).malloc_trim
  except (AttributeError, OSError, TypeError):
    return
  trim(0)
