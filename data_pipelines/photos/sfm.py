"""Structure from motion by pycolmap (extra `colmap`), step by step.

Each step goes on where a killed run left it. A result depends on the seed
alone: pictures are numbered before they are looked at, each pair is verified
with a seed of its own, and the mapper has one thread.
"""

import contextlib
import importlib.util
import itertools
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from data_pipelines.photos.placing import Similarity
from scenetok_jax.types import InputError

Step = Callable[[int], object]  # is told how many more are done
T = TypeVar("T")

_CHUNK = 8  # pictures between two steps of progress
_NEIGHBOURS = 10  # before and after each, and 16, 32, ... away
_FURTHEST = 512
_SMALLEST_MODEL = 3


def available() -> bool:
  """Whether pycolmap is installed."""
  return importlib.util.find_spec("pycolmap") is not None


def check_available(remedy: str = "") -> None:
  """Raises InputError where pycolmap is not installed."""
  if not available():
    raise InputError(
      "poses: pycolmap is not installed; pip install 'scenetok_jax[colmap]'"
      f"{remedy}"
    )


def loaded(seed: int = 0) -> Any:
  """pycolmap, seeded, telling errors alone: it logs every step."""
  before = signal.getsignal(signal.SIGTERM)
  import pycolmap

  with contextlib.suppress(ValueError, TypeError):  # of a thread, or foreign
    signal.signal(signal.SIGTERM, before)  # it would tell of every kill
  pycolmap.logging.minloglevel = 2
  pycolmap.set_random_seed(seed)
  return pycolmap


def on_cpu(options: Any, threads: int) -> Any:
  """pycolmap's options of features or matches, for processors."""
  options.use_gpu, options.num_threads = False, threads
  return options


def find_features(
  folder: Path,
  groups: Sequence[Sequence[str]],
  lens: str,
  limits: Mapping[str, int],
  step: Step,
) -> None:
  """SIFT features of folder/images in folder/database.db.

  groups: names of pictures, by the camera that they share; its focal length
  starts from EXIF where it is there. limits: side, features, threads.
  """
  pycolmap = loaded()
  database, images = folder / "database.db", folder / "images"
  with pycolmap.Database.open(database) as opened:
    known = {image.name: image.camera_id for image in opened.read_all_images()}
  for group in groups:
    if missing := [name for name in group if name not in known]:
      reader = pycolmap.ImageReaderOptions(camera_model=lens)
      if begun := [known[name] for name in group if name in known]:
        reader.existing_camera_id = begun[0]
      mode = pycolmap.CameraMode.SINGLE
      pycolmap.import_images(database, images, mode, missing, reader)
  extraction = on_cpu(pycolmap.FeatureExtractionOptions(), limits["threads"])
  extraction.max_image_size = limits["side"]
  extraction.sift.max_num_features = limits["features"]
  for names in _chunks(sorted(itertools.chain(*groups)), _CHUNK):
    pycolmap.extract_features(
      database, images, names, pycolmap.CameraMode.AUTO,
      pycolmap.ImageReaderOptions(camera_model=lens), extraction,
      pycolmap.Device.cpu,
    )  # fmt: skip
    step(len(names))


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
  return (items[i : i + size] for i in range(0, len(items), size))


def neighbours(count: int) -> list[tuple[int, int]]:
  """Pairs of numbers that are near each other, and some that are not."""
  far = itertools.takewhile(
    lambda gap: gap <= _FURTHEST, (16 << n for n in itertools.count())
  )
  gaps = (*range(1, _NEIGHBOURS + 1), *far)
  return [(i, i + g) for i in range(count) for g in gaps if i + g < count]


def all_pairs(count: int) -> list[tuple[int, int]]:
  """Pairs of numbers, all."""
  return list(itertools.combinations(range(count), 2))


def match(
  folder: Path,
  pairs: Sequence[tuple[str, str]],
  seed: int,
  threads: int,
  step: Step,
) -> None:
  """Matches and verifies pairs of pictures; those that are done are kept."""
  pycolmap = loaded(seed)
  listed = folder / "pairs.txt"
  matching = on_cpu(pycolmap.FeatureMatchingOptions(), threads)
  verification = pycolmap.TwoViewGeometryOptions()
  verification.ransac.random_seed = seed
  for chunk in _chunks(pairs, max(200, len(pairs) // 20)):
    listed.write_text("".join(f"{a} {b}\n" for a, b in chunk))
    pairing = pycolmap.ImportedPairingOptions(match_list_path=listed)
    pycolmap.match_image_pairs(
      folder / "database.db", matching, pairing, verification,
      pycolmap.Device.cpu,
    )  # fmt: skip
    step(len(chunk))
  listed.unlink(missing_ok=True)


def place(folder: Path, out: Path, mapper: str, seed: int, step: Step) -> None:
  """Writes the models that the mapper makes into folders of `out`.

  Others beside the first are looked for where it has no more than half of the
  pictures: looking takes as long as the first.
  """
  pycolmap = loaded(seed)
  database, images = folder / "database.db", folder / "images"
  out.mkdir()
  if mapper == "global":
    pycolmap.calibrate_view_graph(
      database, pycolmap.ViewGraphCalibrationOptions(random_seed=seed)
    )
    whole = pycolmap.GlobalPipelineOptions()
    whole.random_seed, whole.num_threads = seed, 1
    pycolmap.global_mapping(database, images, out, whole)
    return
  options = pycolmap.IncrementalPipelineOptions()
  options.random_seed, options.num_threads = seed, 1
  options.min_model_size = _SMALLEST_MODEL
  for several in (False, True):
    options.multiple_models = several
    found = pycolmap.incremental_mapping(
      database, images, out, options,
      initial_image_pair_callback=lambda: step(2),
      next_image_callback=lambda: step(1),
    )  # fmt: skip
    placed = [model.num_reg_images() for model in found.values()]
    if 2 * max(placed, default=0) > len(list(images.iterdir())):
      return


def models(out: Path) -> list[Any]:
  """The models that `place` wrote, the largest first."""
  pycolmap = loaded()
  folders = sorted((p for p in out.iterdir() if p.name.isdecimal()), key=str)
  found = [pycolmap.Reconstruction(folder) for folder in folders]
  return sorted(found, key=lambda model: -model.num_reg_images())


def poses(model: Any) -> dict[str, np.ndarray]:
  """Camera-to-world [4 4] of the placed pictures, by name."""
  found = {}
  for image in model.images.values():
    if image.has_pose:
      w2c = np.eye(4)
      w2c[:3] = image.cam_from_world().matrix()
      found[image.name] = np.linalg.inv(w2c)
  return dict(sorted(found.items()))


def move(model: Any, to: Similarity) -> None:
  """Moves a model's cameras and points."""
  pycolmap = loaded()
  matrix = np.column_stack([to.scale * to.rotation, to.shift])
  model.transform(pycolmap.Sim3d(matrix))
