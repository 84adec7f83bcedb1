"""A bucket of an emulator of Google Cloud Storage, in a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenetok_jax.io import locate

EMULATOR = Path(__file__).with_name("gcs_emulator.py")


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
  """gs://bucket; this process and its children reach the emulator."""
  # Read when gcsfs is imported: it would ask Google for the bucket's kind.
  os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
  reason = "gs:// in tests needs the extra [dev]"
  pytest.importorskip("gcsfs", reason=reason)
  pytest.importorskip("gcp_storage_emulator", reason=reason)
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  url = f"http://localhost:{port}"
  emulator = subprocess.Popen(
    [sys.executable, EMULATOR, str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  os.environ |= {"STORAGE_EMULATOR_HOST": url, "TENSORSTORE_GCS_HTTP_URL": url}
  try:
    deadline = time.monotonic() + 60
    while True:
      try:
        urllib.request.urlopen(url)
        break
      except OSError:
        assert time.monotonic() < deadline, "the emulator did not start"
        time.sleep(0.1)
    locate("gs://bucket")  # before others: nothing listed is remembered
    yield "gs://bucket"
  finally:
    emulator.kill()
    emulator.wait()
