"""Upright pictures for the estimate, of photos or of frames of a video."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

from PIL import Image

from data_pipelines.photos import sharpness
from data_pipelines.photos.options import PoseOptions
from data_pipelines.photos.source import FEWEST, Source
from data_pipelines.sources.capture import frames
from scenetok_jax.console import Progress
from scenetok_jax.io import atomic_path, write_json
from scenetok_jax.reading import videos
from scenetok_jax.reading.images import open_image
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.orientation import UPRIGHT
from scenetok_jax.reading.schema import Between, checked
from scenetok_jax.types import InputError

_KINDS = {"JPEG": ".jpg", "PNG": ".png"}  # which pycolmap reads
_QUALITY = {"quality": 95, "subsampling": 0}
_EXIF = 0x8769  # the folder of tags about the shot
_MAKER = (0x010F, 0x0110)  # Make, Model
# FocalLength, FocalPlane{X,Y}Resolution and its unit, the same for 35 mm film.
_FOCAL = (0x920A, 0xA20E, 0xA20F, 0xA210, 0xA405)
_AGAIN = "remove its folder"


class _Scored(TypedDict):
  """sharpness.json: seconds and sharpness of every frame of a video."""

  times: list[Annotated[float, Between(-1e9, 1e9)]]
  scores: list[float]


def lens_key(path: Path) -> tuple:
  """What pictures of one camera and zoom share: size and EXIF tags."""
  with open_image(path) as picture:
    return picture.size, *map(str, _about_lens(picture).items())


def write_pictures(
  source: Source, options: PoseOptions, folder: Path, longest: int | None
) -> dict[str, str]:
  """Upright copies in folder/images: {name there: name in the source}.

  longest: side in pixels to which larger ones are reduced; None: as they are.
  Those that are there are kept.
  Raises InputError: what cannot be decoded, or too few frames.
  """
  if source.is_video:
    return _of_video(source.files[0], options, folder, longest)
  names = {}
  with Progress("pictures", len(source.files), "picture") as progress:
    for number, file in enumerate(source.files):
      path = _copy(file, folder / "images" / f"{number:05d}", longest)
      names[path.name] = file.name
      progress.update()
  return names


def _copy(file: Path, stem: Path, longest: int | None) -> Path:
  """A photo as an upright JPEG, or as it is where it is one; its tags too."""
  for suffix in _KINDS.values():
    if (path := stem.with_suffix(suffix)).exists():
      return path
  header = frames.image_header(file)
  with open_image(file) as opened:
    tags, kind = _about_lens(opened), _KINDS.get(opened.format or "", "")
    plain = opened.mode == "RGB" and header.tag == UPRIGHT
  large = longest is not None and max(header.size) > longest
  if kind and plain and not large:
    with atomic_path(stem.with_suffix(kind)) as temporary:
      temporary.write_bytes(file.read_bytes())
    frames.read_image(stem.with_suffix(kind))  # whole, or an InputError
    return stem.with_suffix(kind)
  picture = Image.fromarray(frames.read_image(file).pixels)
  path = stem.with_suffix(".jpg")
  _save(picture, path, longest, tags)
  return path


def _save(
  picture: Image.Image, path: Path, longest: int | None, tags: dict[int, Any]
) -> None:
  if longest is not None:
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
  with atomic_path(path) as temporary:
    picture.save(temporary, "JPEG", exif=_exif(tags), **_QUALITY)


def _about_lens(picture: Image.Image) -> dict[int, Any]:
  """The EXIF tags of which pycolmap makes a focal length, and no others."""
  try:
    given = picture.getexif()
    tags = {**given, **given.get_ifd(_EXIF)}
  except Exception:  # damaged EXIF data hides no pixel
    return {}
  return {tag: tags[tag] for tag in (*_MAKER, *_FOCAL) if tag in tags}


def _exif(tags: dict[int, Any]) -> Image.Exif:
  """Tags of _about_lens in the folders where they belong."""
  found = Image.Exif()
  found.update({tag: tags[tag] for tag in _MAKER if tag in tags})
  found[_EXIF] = {tag: tags[tag] for tag in _FOCAL if tag in tags}
  return found


def _of_video(
  video: Path, options: PoseOptions, folder: Path, longest: int | None
) -> dict[str, str]:
  """The sharpest frames of stretches of a video."""
  file, images = folder / "sharpness.json", folder / "images"
  if not file.exists():
    scored = _scored(video)
    write_json(file, {"times": scored[0], "scores": scored[1]}, indent=0)
  known = checked(read_json(file, _AGAIN), _Scored, str(file), _AGAIN)
  if len(known["times"]) != len(known["scores"]):
    raise InputError(f"{file}: times and scores differ in number; {_AGAIN}")
  chosen = sharpness.sharpest(
    known["times"], known["scores"], options.rate, options.count
  )
  if len(chosen) < FEWEST:
    raise InputError(
      f"{video}: {len(chosen)} frames are taken of"
      f" {len(known['times'])}; at least {FEWEST} are needed: give a longer"
      " video, or a larger --count"
    )
  names = {number: f"{number:06d}.jpg" for number in chosen}
  missing = {n for n, name in names.items() if not (images / name).exists()}
  if missing:
    with Progress("frames", len(missing), "frame") as progress:
      for number, frame in _frames(video, max(missing)):
        if number in missing:
          picture = Image.fromarray(frame.picture().pixels)
          _save(picture, images / names[number], longest, {})
          progress.update()
  return {name: f"frame {number}" for number, name in names.items()}


def _scored(video: Path) -> tuple[list[float], list[float]]:
  """Seconds and sharpness of every frame."""
  times, scores = list[float](), list[float]()
  with Progress("sharpness", None, "frame") as progress:
    for _, frame in _frames(video):
      told = frame.seconds
      last = times[-1] if times else -1 / 30
      # Untold times, and those that go back, are a thirtieth later.
      times.append(told if told is not None and told > last else last + 1 / 30)
      scores.append(sharpness.sharpness(frame.pixels))
      progress.update()
  if not times:
    raise InputError(f"{video}: holds no frames; replace the file")
  return times, scores


def _frames(
  video: Path, last: int | None = None
) -> Iterator[tuple[int, videos.VideoFrame]]:
  """Numbered frames up to the last one; InputError for a damaged file."""
  try:
    for number, frame in enumerate(videos.video_frames(video)):
      yield number, frame
      if number == last:
        return
  except InputError:
    raise
  except (OSError, ValueError) as error:
    raise frames.unreadable(video, error) from None
