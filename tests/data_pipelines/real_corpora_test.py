"""Real posed video through `prepare`: poses kept, epipolar geometry holds.

The reference errors are those printed in ../shared/data/NOTES.md: medians of
the Sampson distance of SIFT matches at stored resolution. Which pairs of
frames were matched is not printed. Matches by Lowe's ratio 0.75 over up to 12
pairs (i, i + spacing), spread over the clip, reproduce them at the spacings
of the table.
"""

import dataclasses
import functools
import json

import numpy as np
import pytest

from data_pipelines.sources.torch_chunks import Chunk
from data_pipelines.storage.records import Dataset
from scenetok_jax.cli import prepare
from scenetok_jax.geometry import epipolar
from scenetok_jax.types import Cameras
from tests.goldens import shared_dir

pytestmark = pytest.mark.slow

_RATIO = 0.75
_PAIRS = 12


@dataclasses.dataclass(frozen=True)
class Corpus:
  """A scene, where it is, its printed error in pixels, and the spacings."""

  dataset: str
  source: str
  split: str
  key: str
  error: float
  spacings: tuple[int, ...]

  def __str__(self):
    return f"{self.source}-{self.key}"


CORPORA = [
  Corpus("re10k", "re10k_chunks", "test", "018f7907401f2fef", 0.20, (15,)),
  Corpus("re10k", "re10k_chunks", "train", "fox0000000000001", 0.27, (1,)),
  Corpus("re10k", "re10k_chunks", "train", "redkitchen000001", 1.13, (5,)),
  Corpus("re10k", "re10k_chunks", "train", "hololens00000001", 0.56, (5, 6, 7)),
  Corpus("dl3dv", "dl3dv", "train", "fox", 0.18, (2,)),
  Corpus("dl3dv", "dl3dv", "train", "redkitchen", 0.82, (2,)),
  Corpus("dl3dv", "dl3dv", "test", "re10k_018f7907401f2fef", 0.17, (2,)),
  Corpus("dl3dv", "dl3dv", "test", "hololens_png", 0.46, (1, 2)),
  Corpus("capture", "raw/fox_full", "train", "fox_full", 0.38, (1,)),
  Corpus("capture", "raw/hololens_full", "train", "hololens_full", 0.33, (1,)),
  Corpus(
    "capture", "raw/redkitchen_rgbd", "train", "redkitchen_rgbd", 0.97, (2,)
  ),
  Corpus(
    "capture",
    "raw/re10k_018f7907401f2fef",
    "train",
    "re10k_018f7907401f2fef",
    0.32,
    (13,),
  ),
]
every_corpus = pytest.mark.parametrize("corpus", CORPORA, ids=str)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  """(corpus) -> its prepared split, at stored resolution; made once."""
  root = tmp_path_factory.mktemp("prepared")

  @functools.cache
  def make(dataset, source, split):
    data = shared_dir() / "data"
    if not (data / source).is_dir():
      pytest.skip(f"{data / source} is not here")
    out = root / source
    arguments = [f"--dataset={dataset}", f"--source={data / source}"]
    arguments += [f"--split={split}", f"--out={out}", "--size=native"]
    assert not prepare.main([*arguments, "--workers=0"])
    return Dataset(out, split)

  return lambda corpus: make(corpus.dataset, corpus.source, corpus.split)


def _published(corpus: Corpus, row) -> np.ndarray:
  """Camera-to-world [T, 4, 4] float64, read plainly from the source."""
  folder = shared_dir() / "data" / corpus.source
  if corpus.dataset == "re10k":
    (chunk,) = (folder / corpus.split).glob("*.torch")
    (scene,) = (s for s in Chunk(chunk).content if s["key"] == corpus.key)
    rows = scene["cameras"].read().astype(np.float64)
    w2c = np.tile(np.eye(4), (len(rows), 1, 1))
    w2c[:, :3] = rows[:, 6:].reshape(-1, 3, 4)
    return np.linalg.inv(w2c)
  if corpus.dataset == "dl3dv":
    (path,) = (folder / corpus.split / corpus.key).rglob("transforms.json")
    frames = json.loads(path.read_text())["frames"]
    frames.sort(key=lambda frame: frame["file_path"])
    matrices = np.array([frame["transform_matrix"] for frame in frames])
    return matrices @ np.diag([1, -1, -1, 1])
  frames = json.loads((folder / "poses.json").read_text())["frames"]
  w2c = np.array([frame["w2c"] for frame in frames], np.float64)
  assert len(w2c) == row.frames
  full = np.tile(np.eye(4), (len(w2c), 1, 1))
  full[:, :3] = w2c[:, :3]
  return np.linalg.inv(full)


@every_corpus
def test_poses_survive_the_round_trip(prepared, corpus):
  data = prepared(corpus)
  row = data.scene(corpus.key)
  expected = _published(corpus, row)
  for cameras in (
    data.cameras(row),
    data.read_frames(row, range(row.frames))[1],
  ):
    scale = np.maximum(1, np.abs(expected))
    assert np.max(np.abs(cameras.extrinsics - expected) / scale) < 1e-6


@every_corpus
def test_the_printed_epipolar_error_is_reproduced(prepared, corpus):
  cv2 = pytest.importorskip("cv2", reason="pip install -e '.[dev]'")
  data = prepared(corpus)
  row = data.scene(corpus.key)
  matches = _matches(cv2, data, row, corpus.spacings)
  cameras = data.cameras(row)
  error = _median_error(cameras, matches, (row.height, row.width))
  assert error == pytest.approx(corpus.error, rel=0.1)
  # The error can tell: inverted poses, and the other axes, are far off.
  for wrong in (
    np.linalg.inv(cameras.extrinsics.astype(np.float64)),
    cameras.extrinsics @ np.diag([1, -1, -1, 1]),
  ):
    poses = Cameras(wrong, cameras.intrinsics)
    assert _median_error(poses, matches, (row.height, row.width)) > 4 * error


def _matches(cv2, data, row, spacings):
  """{(i, j): (pixels [N, 2] in i, pixels [N, 2] in j)}."""
  pairs = []
  for spacing in spacings:
    last = row.frames - 1 - spacing
    count = min(_PAIRS, last + 1)
    starts = np.unique(np.linspace(0, last, count).astype(int))
    pairs += [(int(i), int(i) + spacing) for i in starts]
  sift, matcher = cv2.SIFT_create(), cv2.BFMatcher()

  @functools.cache
  def features(frame):
    image = data.read_frames(row, [frame])[0][0]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    points, descriptors = sift.detectAndCompute(grey, None)
    # OpenCV counts from the middle of the first pixel.
    return np.array([point.pt for point in points]) + 0.5, descriptors

  found = {}
  for i, j in pairs:
    (first, left), (second, right) = features(i), features(j)
    candidates = matcher.knnMatch(left, right, k=2)
    kept = [a for a, b in candidates if a.distance < _RATIO * b.distance]
    if len(kept) >= 16:
      found[i, j] = (
        first[[m.queryIdx for m in kept]],
        second[[m.trainIdx for m in kept]],
      )
  return found


def _median_error(cameras, matches, size):
  errors = [
    epipolar.sampson_error(
      epipolar.fundamental_matrix(cameras, i, j, size), first, second
    )
    for (i, j), (first, second) in matches.items()
  ]
  return float(np.median(np.concatenate(errors)))
