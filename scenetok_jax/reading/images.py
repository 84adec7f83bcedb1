"""Pictures: regular files alone, and no larger than 8K."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator

from PIL import Image, UnidentifiedImageError

from scenetok_jax.reading import files, foreign_images

# 8K video; a header that claims more is damage, and decoding it a bomb.
MAX_PIXELS = 7680 * 4320
# Pillow's own warning comes later, and two lines long.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@contextlib.contextmanager
def open_image(source: str | os.PathLike | bytes) -> Iterator[Image.Image]:
  """A picture of a file, or of its bytes, of which the header is read.

  ValueError where that claims more than MAX_PIXELS; OSError for no regular
  file. Pillow raises many other types on damage, then or while it decodes.
  """
  with contextlib.ExitStack() as stack:
    if isinstance(source, bytes):
      file: io.IOBase = io.BytesIO(source)
    else:
      file = stack.enter_context(files.open_file(source))  # type: ignore[assignment]
    picture: Image.Image
    try:
      picture = stack.enter_context(Image.open(file))  # type: ignore[arg-type]
    except Image.DecompressionBombError as error:  # larger than twice theirs
      raise ValueError(f"its header claims too much: {error}") from None
    except UnidentifiedImageError:
      picture = stack.enter_context(foreign_images.opened(file))  # type: ignore[arg-type]
    width, height = picture.size
    if width * height > MAX_PIXELS:
      raise ValueError(f"its header claims {width}x{height} pixels")
    yield picture
