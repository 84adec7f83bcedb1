"""`scenetok analyze` and `pose-score`: what they write, print and refuse."""

import json

import jax
import numpy as np
import pytest

from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.analyses import depth as depth_kind
from scenetok_jax.cli import analyze, pose_score, prepare
from scenetok_jax.geometry import depth_images
from scenetok_jax.metrics.loading import missing
from tests.camera_json import write_cameras
from tests.cli import workdirs

MASKING = [
  "--mask=zero", "--samples=2", "--sheets=1", "--masked", "0", "50", "100",
]  # fmt: skip
SMALL = ["--scenes=2", "--frames=8", "--batch=2"]


def rooms(folder, *options):
  prepare.main(
    ["--dataset=rooms", "--split=test", "--scenes=2", "--frames=16",
     "--workers=0", f"--out={folder}", *options]
  )  # fmt: skip
  return folder


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("analyze") / "stage1")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return rooms(tmp_path_factory.mktemp("rooms"))


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
  options = ("--depth", "--image-format=png")
  return rooms(tmp_path_factory.mktemp("depth"), *options)


@pytest.fixture
def run(workdir, data, tmp_path, capsys):
  """Runs a kind; returns its JSON and what it printed."""

  def call(kind, *options):
    common_options = [f"--workdir={workdir}", f"--data={data}"]
    assert not analyze.main(
      [kind, *common_options, *SMALL, f"--out={tmp_path}", *options]
    )
    result = json.loads((tmp_path / f"{kind}.json").read_text())
    return result, capsys.readouterr().out

  return call


@pytest.mark.slow
def test_masking_writes_findings_plot_and_maps(run, tmp_path):
  result, printed = run("masking", *MASKING)
  levels = result["levels"]
  assert [level["value"] for level in levels] == [0, 50, 100]
  assert all(level["variance"] > 0 for level in levels)
  assert len(result["per_scene"]) == 2
  assert result["finding"]["pooled"]["pairs"] == 6
  assert "finding: variance rises as tokens are masked" in printed
  assert (tmp_path / "masking.png").is_file()
  assert len(list(tmp_path.glob("masking_maps_*.png"))) == 1


@pytest.mark.slow
def test_the_seed_decides_everything(run):
  first, again = (run("masking", *MASKING)[0]["levels"] for _ in range(2))
  assert again == first


@pytest.mark.slow
def test_context_views_score_frames_that_no_level_is_given(run, data):
  result, printed = run(
    "context-views", "--samples=2", "--sheets=0", "--views", "1", "2", "3"
  )
  assert [level["value"] for level in result["levels"]] == [1, 2, 3]
  assert np.shape(result["frames"]) == (2, 8)
  assert "falls as context views are added" in printed


@pytest.mark.slow
def test_variance_maps_and_tokens(run, tmp_path):
  result, printed = run("variance", "--samples=2")
  assert result["variance"] > 0 and -1 <= result["correlation"]["rho"] <= 1
  assert len(list(tmp_path.glob("variance_*.png"))) == 2
  assert "samples err where they differ" in printed
  result, printed = run("tokens", "--keep", "2", "4")
  assert [row["tokens"] for row in result["rows"]] == [2, 4, 8]
  assert [row["floats"] for row in result["rows"]] == [16, 32, 64]
  assert "quality grows with tokens (subsets)" in printed


@pytest.mark.slow
def test_lateral_compares_runs_on_the_same_rooms_from_beside(
  run, workdir, data, tmp_path_factory, tmp_path
):
  beside = rooms(tmp_path_factory.mktemp("beside"), "--aside=0.3")
  here, there = Dataset(data, "test"), Dataset(beside, "test")
  for row in here.scenes:
    poses = [np.asarray(d.cameras(row.key).extrinsics) for d in (here, there)]
    moved = np.linalg.norm(poses[1][:, :3, 3] - poses[0][:, :3, 3], axis=1)
    np.testing.assert_allclose(moved, moved[0], rtol=1e-4)
    assert 0 < moved[0] <= 0.3001
    np.testing.assert_array_equal(poses[0][:, :3, :3], poses[1][:, :3, :3])
  result, printed = run("lateral", f"--beside={beside}")
  (row,) = result["runs"].values()
  lost = row["on_path_psnr"] - row["beside_psnr"]
  assert row["lost_db"] == pytest.approx(lost, abs=1e-3)
  assert row["nearest_view_lost_db"] != 0 and "beside the path" in printed


@pytest.mark.slow
def test_depth_is_scored_against_baselines(run, depth, data, tmp_path):
  result, printed = run("depth", f"--depth-data={depth}")
  scores = result["scores"]
  assert scores["codec ceiling"]["abs_rel"]["value"] < 0.2
  assert scores["sampled"]["abs_rel"]["value"] > 0.2  # random weights
  assert "depth from tokens beats the baseline" in printed
  assert (tmp_path / "depth_sheet.png").is_file()
  images, _ = Dataset(depth, "test").read_frames(0, [3])
  metres = depth_images.decode(images)
  assert 0.3 < metres.min() < metres.max() < 12


def test_perfect_depth_beats_every_baseline(data, depth):
  """scored() with the truth as prediction."""
  from scenetok_jax.evaluation.batches import EvaluationScene
  from scenetok_jax.evaluation.evaluator import Prediction
  from scenetok_jax.types import Views

  predictions = []
  for row in Dataset(depth, "test").scenes:
    images, cameras = Dataset(depth, "test").read_frames(row, [0, 5, 9])
    views = Views(images=images, cameras=cameras)
    scene = EvaluationScene(row.key, views, views, np.ones(3, bool))
    names = ("sampled", "one_step", "wrong_scene", "codec_ceiling")
    predictions.append(Prediction(scene, dict.fromkeys(names, images)))
  table = depth_kind.scored(predictions)
  for key, row in table["sampled"].items():
    assert row["abs_rel"] == 0 and row["delta_1.25"] == 1
    for baseline in ("mean depth", "mean of the scene", "mean picture"):
      assert table[baseline][key]["abs_rel"] > 0.05


def test_generation_is_compared_with_weaker_generators(
  workdir, data, tmp_path, capsys
):
  reason = missing("lpips")
  if reason:
    pytest.skip(reason)
  stage2 = workdirs.stage2(tmp_path / "stage2", workdir)
  out = tmp_path / "out"
  assert not analyze.main(
    ["generation", f"--workdir={stage2}", f"--data={data}", "--scenes=2",
     "--batch=2", "--resamples=3", f"--out={out}"]
  )  # fmt: skip
  metric = json.loads((out / "generation.json").read_text())["metrics"]
  bars = metric["fd_vgg"]["bars"]
  assert bars["codec_ceiling"][0] < bars["sampled"][0]
  assert "not FID" in metric["fd_vgg"]["label"]
  assert len(metric["fd_vgg"]["findings"]) == 2
  printed = capsys.readouterr()
  assert "gFD-VGG (not FID): sampled" in printed.out
  assert "without FID: fid_inception" in printed.err


def test_poses_of_another_estimator_are_scored(data, tmp_path, capsys):
  dataset = Dataset(data, "test")
  key = dataset.scenes[0].key
  cameras = jax.tree.map(lambda a: np.asarray(a)[::4], dataset.cameras(key))
  file = tmp_path / "poses.json"
  write_cameras(cameras, file)
  options = [f"--data={data}", f"--scene={key}", f"--poses={file}"]
  assert not pose_score.main([*options, f"--json={tmp_path / 'x.json'}"])
  result = json.loads((tmp_path / "x.json").read_text())
  assert result["auc@30"] == 1 and result["pairs"] == 6
  assert result["shuffled_auc@30"] < 1 and result["oracle"] == str(file)
  code = console.run(pose_score.main, [*options, "--every=2"])
  assert code == 2 and "4 poses for 8 frames" in capsys.readouterr().err


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ([], "no kind given"),
    (["colour"], "unknown kind 'colour'; choose one of masking"),
    (["masking", "--samples=1"], "1 sample has no variance"),
    (["masking", "--masked", "120"], "a finite number from 0 to 100"),
    (["masking", "--masked", "0", "50", "50"], "2 distinct levels show no"),
    (["context-views", "--views", "2", "6"], "2 distinct levels show no"),
    (["generation", "--batch=1"], "1 scene at a time has no other's"),
    (["generation", "--scenes=1"], "1 scene has no other's cameras"),
    (
      ["context-views", "--views", "1", "2", "40"],
      "which leaves none to render",
    ),
    (["variance", "--frames=0"], "--frames: invalid value"),
    (["lateral", "--beside=nowhere"], "nowhere: data.path: no such folder"),
  ],
)
def test_bad_input_is_one_line(
  workdir, data, tmp_path, capsys, options, message
):
  if options and options != ["colour"]:
    places = [f"--workdir={workdir}", f"--data={data}", f"--out={tmp_path}"]
    own = {"--frames=0", "--batch=1", "--scenes=1"}
    sizes = [] if own & set(options) else SMALL
    options = [options[0], *places, *sizes, *options[1:]]
  assert console.run(analyze.main, options) == 2
  error = capsys.readouterr().err
  assert message in error and error.count("\n") == 1
