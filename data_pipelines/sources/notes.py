"""What is told of the frames of a clip, once for all that share it."""

from collections import Counter
from collections.abc import Iterable


def counted(notes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
  """Notes of each frame -> "3 images: NOTE", in order of their appearance."""
  found = Counter(note for frame in notes for note in frame)
  return tuple(
    f"{count} {'image' if count == 1 else 'images'}: {note}"
    for note, count in found.items()
  )
