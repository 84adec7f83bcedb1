"""LPIPS, FID and FVD equal the reference packages on real images.

The packages are the extra [reference]. Inception's and I3D's weights are the
seeded ones of the reference cases, in files as torch writes them; LPIPS's are
real.
"""

import contextlib
import dataclasses
import warnings

import numpy as np
import pytest
from einops import rearrange

from data_pipelines.loading.transforms import rescale_and_crop
from scenetok_jax.media import read_image, read_video
from scenetok_jax.metrics import frechet
from scenetok_jax.metrics.loading import load_metric
from scenetok_jax.metrics.lpips_package import (
  installed_files,
  read_package_file,
)
from tests.goldens import case_dir, shared_dir
from tests.metrics.seeded import seeded_tensors

pytestmark = pytest.mark.slow
_REASON = "the extra [reference] is not installed"
_OPERATORS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@pytest.fixture(scope="module")
def torch():
  return pytest.importorskip("torch", reason=_REASON)


@pytest.fixture(scope="module")
def torchvision(torch):
  """VGG16's layers only; its compiled operators need a torch of its build."""
  with contextlib.ExitStack() as stack:
    try:
      import torchvision
    except ImportError:
      pytest.skip(_REASON)
    except RuntimeError:  # PyPI's build beside a CPU torch
      library = torch.library.Library("torchvision", "DEF")
      stack.callback(library._destroy)
      for name in ("nms", "qnms"):
        library.define(name + _OPERATORS)
      import torchvision
    yield torchvision


@pytest.fixture(scope="module")
def images():
  """Real frames, uint8 [16 240 320 3]."""
  folder = shared_dir() / "data" / "raw" / "redkitchen_rgbd" / "images"
  paths = sorted(folder.glob("*"))[:16] if folder.is_dir() else []
  if len(paths) < 16:
    pytest.skip(f"no real images in {folder}")
  shape = (240, 320)
  return np.stack(
    [rescale_and_crop(read_image(p), np.eye(3), shape)[0] for p in paths]
  )


@pytest.fixture(scope="module")
def clips():
  """A real video, uint8 [8 16 96 96 3]."""
  folder = shared_dir() / "data" / "raw" / "re10k_018f7907401f2fef"
  path = folder / f"{folder.name.removeprefix('re10k_')}.mp4"
  if not path.is_file():
    pytest.skip(f"no real video at {path}")
  frames = read_video(path, 8 * 16)
  small = [rescale_and_crop(x, np.eye(3), (96, 96))[0] for x in frames]
  return rearrange(np.stack(small), "(n t) ... -> n t ...", t=16)


def _noisy(images):
  """The same with noise, uint8."""
  noise = np.random.default_rng(0).normal(size=images.shape)
  return np.clip(images + 20 * noise, 0, 255).astype(np.uint8)


def one_at_a_time(name, weights, **options):
  """A metric that computes one input at a time: these networks are large."""
  loaded = load_metric(name, weights, **options)
  metric = dataclasses.replace(loaded.metric, batch=1)
  return dataclasses.replace(loaded, metric=metric)


def _weights(torch, case, path):
  """A file of a reference case's weights, as the publishers write theirs."""
  tensors = seeded_tensors(case_dir(case))
  torch.save({n: torch.from_numpy(t) for n, t in tensors.items()}, path)
  return path


def _torch_images(torch, images):
  return torch.from_numpy(rearrange(images, "b h w c -> b c h w").copy())


def test_lpips_equals_the_lpips_package(torch, torchvision, images):
  package = pytest.importorskip("lpips", reason=_REASON)
  files = installed_files()
  if not files:
    pytest.skip("the extra [metrics] is not installed")
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torchvision's of old arguments
    network = package.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
  tensors = read_package_file(files[0])
  state = network.net.state_dict()
  names = {key: f"features.{key.split('.', 1)[1]}" for key in state}
  network.net.load_state_dict(
    {key: torch.tensor(tensors[name]) for key, name in names.items()}
  )
  pair = [x.astype(np.float32) / 255 for x in (images[:4], _noisy(images[:4]))]
  # The last of them: two different frames.
  pair[1][3] = pair[0][0]
  with torch.no_grad():
    a, b = (_torch_images(torch, x) for x in pair)
    expected = network(a, b, normalize=True).numpy()[:, 0, 0, 0]
  found = load_metric("lpips")(*pair)
  assert (expected > 0.05).all()
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_fid_equals_torchmetrics(torch, torchvision, images, tmp_path):
  """Both resizes: torchmetrics' and, of its features, torch-fidelity's."""
  fid = pytest.importorskip("torchmetrics.image.fid", reason=_REASON)
  fidelity = pytest.importorskip(
    "torch_fidelity.feature_extractor_inceptionv3", reason=_REASON
  )
  name = "pt_inception-2015-12-05-6726825d.pth"
  path = _weights(torch, "fid_inception", tmp_path / name)
  sides = {"real": images[:8], "fake": _noisy(images[8:])}
  reference = fid.FrechetInceptionDistance(
    feature=2048, feature_extractor_weights_path=str(path)
  )
  for side, frames in sides.items():
    reference.update(_torch_images(torch, frames), real=side == "real")
  ours = one_at_a_time("fid", tmp_path)
  features = {side: ours(frames) for side, frames in sides.items()}
  found = frechet.distance(*map(frechet.statistics, features.values()))
  np.testing.assert_allclose(found, float(reference.compute()), rtol=1e-3)
  old = fidelity.FeatureExtractorInceptionV3(
    "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
  )
  (expected,) = old(_torch_images(torch, images[:2]))
  found = one_at_a_time("fid", tmp_path, resize="tf1")(images[:2])
  np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
  assert np.abs(found - features["real"][:2]).max() > 1e-3


def test_fvd_equals_cd_fvd(torch, torchvision, clips, tmp_path):
  """Eight clips, far fewer than the 400 dimensions; equal sets give zero."""
  cdfvd = pytest.importorskip("cdfvd.fvd", reason=_REASON)
  path = _weights(torch, "fvd_i3d", tmp_path / "rgb_imagenet.pt")
  reference = cdfvd.cdfvd("i3d", ckpt_path=str(path), device="cpu")
  # Its copy of the network has 1e-5; piergiaj's and the release's have 1e-3.
  for layer in reference.model.modules():
    if isinstance(layer, torch.nn.BatchNorm3d):
      layer.eps = 1e-3
  reference.add_real_stats(clips)
  reference.add_fake_stats(_noisy(clips))
  ours = one_at_a_time("fvd", tmp_path)
  sides = [
    frechet.statistics(ours(x.astype(np.float32) / 255))
    for x in (clips, _noisy(clips))
  ]
  for side, stats in zip(
    sides, (reference.real_stats, reference.fake_stats), strict=True
  ):
    mean, covariance = stats.get_mean_cov()
    np.testing.assert_allclose(side.mean, mean, atol=1e-4)
    assert side.count == 8
    # The package's covariance is divided by n.
    own = side.factor.T @ side.factor / side.count
    np.testing.assert_allclose(own, covariance, atol=1e-4)
  found = frechet.distance(*sides)
  assert np.isfinite(found) and found > 0
  assert 0 <= frechet.distance(sides[0], sides[0]) < 1e-9 * found
