"""Pictures that Pillow does not read: HEIC by its extra, a hint for others."""

from typing import IO

from PIL import Image

_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_EXR = b"\x76\x2f\x31\x01"
_RAW = (b"FUJIFILMCCD-RAW", b"\0\0\0\x18ftypcrx ", b"IIRO", b"IIU\0", b"FOVb")
_HINTS = {
  "HEIC": "HEIC needs an extra: pip install 'scenetok_jax[heic]'",
  "EXR": "OpenEXR holds light without bounds: tone-map it to PNG first",
  "raw": "a camera's raw file: develop it to JPEG or PNG first",
}


def opened(file: IO[bytes]) -> Image.Image:
  """A picture whose header Pillow did not know; OSError where it is none.

  HEIC is shown upright by its own decoder.
  """
  file.seek(0)
  head = file.read(32)
  file.seek(0)
  if head[4:8] == b"ftyp" and head[8:12] in _HEIF:
    return _heif(file)
  if head.startswith(_EXR):
    raise OSError(_HINTS["EXR"])
  if head.startswith(_RAW):
    raise OSError(_HINTS["raw"])
  raise OSError("no kind of picture that is known")


def _heif(file: IO[bytes]) -> Image.Image:
  try:
    import pillow_heif
  except ImportError:
    raise OSError(_HINTS["HEIC"]) from None
  return pillow_heif.HeifImageFile(file)
