import platform
import subprocess
import sys

import pytest

from scenetok_jax.parallel import runtime

# Chunks too small for pages of their own, below one that stays.
_SCRIPT = """
import ctypes, pathlib
from scenetok_jax.parallel.runtime import release_freed_memory

malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def own():
  status = pathlib.Path("/proc/self/status").read_text()
  return int(status.split("RssAnon:")[1].split()[0]) // 1024

chunks = [malloc(8192) for _ in range(16384)]
for chunk in chunks:
  ctypes.memset(chunk, 1, 8192)
top = malloc(8192)
for chunk in chunks:
  free(chunk)
before = own()
release_freed_memory()
print(before - own())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
def test_freed_pages_below_a_used_one_go_back_to_the_system():
  ran = subprocess.run(
    [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
  )
  assert int(ran.stdout) > 100  # MiB, of 128


def test_another_c_library_is_left_alone(monkeypatch):
  monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _: object())
  runtime.release_freed_memory()
