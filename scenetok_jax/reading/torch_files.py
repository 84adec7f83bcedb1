"""Torch's files before torch reads them: what they may make it do."""

import os
import zipfile

from scenetok_jax.reading.files import open_file
from scenetok_jax.reading.pickles import check_pickle

_PICKLES = 5  # of a file before torch 1.6: three of a header, tensors, keys


def check_torch_file(path: str | os.PathLike) -> None:
  """ValueError where a file is damaged, or makes torch take what it lacks.

  OSError where it is no regular file.
  """
  with open_file(path) as file:
    if not zipfile.is_zipfile(file):
      file.seek(0)
      for _ in range(_PICKLES):
        check_pickle(file, os.fstat(file.fileno()).st_size)
      return
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
      for item in archive.infolist():
        if item.file_size > size:  # torch compresses nothing
          raise ValueError(f"{item.filename} claims {item.file_size:,} bytes")
        if item.filename.endswith("/data.pkl"):
          check_pickle(archive.read(item))
