"""A viewer on a free port of this machine, and pages without a browser."""

import dataclasses
import io
import socket
import urllib.request

import numpy as np
import pytest
from PIL import Image

from scenetok_jax import InputError, Scene, SceneTok
from scenetok_jax.media import read_video
from scenetok_jax.viewer.address import Address
from scenetok_jax.viewer.library import ViewerChoice
from scenetok_jax.viewer.server import trusted
from scenetok_jax.viewer.start import start
from tests.cli import workdirs
from tests.geometry.poses import cameras, ring
from tests.viewer.clients import connected, wait_for

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
HERE = Address(port=0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
  return tmp_path_factory.mktemp("viewer")


@pytest.fixture(scope="module")
def model(root):
  first = workdirs.stage1(root / "stage1")
  return SceneTok.from_pretrained(workdirs.stage2(root / "stage2", first))


@pytest.fixture(scope="module")
def files(model, root):
  scene = model.encode(IMAGES, cameras(ring(3), 0.7), key="room")
  scene.save(root / "good.tok")
  other = dataclasses.replace(scene, model="of another")
  other.save(root / "other.tok")
  (root / "cut.tok").write_bytes((root / "good.tok").read_bytes()[:-9])
  return [str(root / f"{name}.tok") for name in ("good", "other", "cut")]


@pytest.fixture(scope="module")
def viewer(model, files):
  told = []
  choice = ViewerChoice(scenes=(*files, "missing.tok"))
  found = start(model, choice, HERE, lambda *done: told.append(done))
  assert told == [(0, 2), (1, 2), (2, 2)]  # without guidance, and with it
  yield found
  found.close()


@pytest.fixture
def port(viewer):
  return int(viewer.url.rpartition(":")[2])


def pictures(client):
  found = [m["rgb_data"] for m in client.of("BackgroundImageMessage")]
  return [data for data in found if data]  # None clears it


def seen(client, after=0):
  """The next picture after so many."""
  return wait_for(lambda: pictures(client)[after:])[0]


def other_addresses():
  found = {"127.0.0.2"}
  for *_, where in socket.getaddrinfo(socket.gethostname(), None):
    found.add(where[0])
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    try:
      probe.connect(("192.0.2.1", 9))  # nothing is sent
      found.add(probe.getsockname()[0])
    except OSError:
      pass
  return found - {"127.0.0.1", "::1"}


def test_the_page_is_served_to_this_machine_alone(viewer, port):
  with urllib.request.urlopen(viewer.url, timeout=30) as page:
    assert b"<html" in page.read().lower()
  for address in other_addresses():
    with pytest.raises(OSError):
      socket.create_connection((address, port), timeout=5).close()


def test_another_host_is_warned_of(model, capsys):
  for host, warned in (("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)):
    # Ends before anything is served.
    with pytest.raises(InputError, match="give one source"):
      start(model, ViewerChoice(photos=True, scenes=("a",)), Address(host, 0))
    assert ("no password" in capsys.readouterr().err) == warned


def test_a_port_that_is_taken_is_refused(model, files, port):
  choice = ViewerChoice(scenes=(files[0],))
  with pytest.raises(InputError, match="cannot be listened on"):
    start(model, choice, Address(port=port))
  with pytest.raises(InputError, match="cannot be listened on"):
    start(model, choice, Address("no.such.host.invalid", 0))


def test_nobody_opens_a_tunnel(port, viewer):
  with connected(port) as client:
    client.send(type="ShareUrlRequest")
    seen(client)
    assert viewer._server._share_tunnel is None


def test_other_sites_see_an_empty_page(port):
  here = f"127.0.0.1:{port}"
  for host, headers, ok in (
    ("127.0.0.1", {"Host": here, "Origin": f"http://{here}"}, True),
    ("127.0.0.1", {"Host": here}, True),
    ("127.0.0.1", {"Host": "localhost:9", "Origin": "http://localhost:9"},
     True),
    ("127.0.0.1", {"Host": here, "Origin": "http://evil.example"}, False),
    ("127.0.0.1", {"Host": here, "Origin": "null"}, False),
    ("127.0.0.1", {"Host": "evil.example", "Origin": "http://evil.example"},
     False),
    ("0.0.0.0", {"Host": "lab:80", "Origin": "http://lab:80"}, True),
    ("0.0.0.0", {"Host": "lab:80", "Origin": "http://evil.example"}, False),
  ):  # fmt: skip
    assert trusted(host, headers) == ok, headers
  with connected(port, origin="http://evil.example") as other:
    with connected(port) as client:
      seen(client)
    assert not pictures(other) and not other.said("Add keyframe")


def test_a_moved_camera_is_another_picture(port):
  with connected(port) as client:
    seen(client)
    wait_for(lambda: client.said("3 steps"))  # at rest, as the run says
    before = pictures(client)
    client.move((0.4, 0.1, -0.5))
    after = seen(client, len(before))
    assert after != before[-1]
    picture = Image.open(io.BytesIO(after))
    assert picture.size == (85, 64)  # as wide as the window
    assert client.said("frames/s") and client.said("camera")
    client.set("deviation", True)
    wait_for(lambda: client.said("4 samples, mean deviation"))
    client.set("solver", "heun")
    wait_for(lambda: client.said("compiling ..."))
    frusta = client.of("CameraFrustumMessage")
    assert len(frusta) == 3


def test_a_scene_that_cannot_be_opened_is_one_line(port, files):
  with connected(port) as client:
    seen(client)
    for name, line in (
      (files[1], "another checkpoint"),
      (files[2], "cut.tok: not a whole scene file"),
      ("missing.tok", "missing.tok"),
    ):
      client.set("scene", name)
      wait_for(lambda line=line: client.said(line))
    assert client.said("error: ")
    count = len(pictures(client))  # the scene before is still there
    client.move((0.2, 0.0, -0.5))
    seen(client, count)


def test_two_clients_have_cameras_of_their_own(port, viewer):
  slots = viewer.studio.worker.slots
  with connected(port) as one:
    seen(one)
    with connected(port) as two:
      seen(two)
      wait_for(lambda: one.said("3 steps") and two.said("3 steps"))
      counts = len(pictures(one)), len(pictures(two))
      two.move((0.5, 0.3, 0.0))
      seen(two, counts[1])
      assert len(pictures(one)) == counts[0]
      assert len(viewer.studio._screens) == 2
    wait_for(lambda: len(viewer.studio._screens) == 1)
    assert len(slots._slots) == 1
    one.move((0.1, 0.0, 0.0))
    seen(one, counts[0])
  wait_for(lambda: not viewer.studio._screens and not slots._slots)


def test_keyframes_become_a_file_and_a_video(port, tmp_path):
  with connected(port) as client:
    seen(client)
    client.set("Save path", True)
    wait_for(lambda: client.said("keyframes: 0; set two or more"))
    client.set("frames between", 7)
    client.move((0.0, 0.0, -1.0))
    client.set("Add keyframe", True)
    wait_for(lambda: client.said("1, 1 frames"))
    client.move((0.5, 0.0, -1.0))
    client.set("Add keyframe", True)
    wait_for(lambda: client.said("2, 8 frames"))
    client.set("Save path", True)
    saved = client.download("camera_path.json")
    client.set("Remove the last", True)
    wait_for(lambda: client.said("1, 1 frames"))
    client.upload("Load path", "mine.json", saved)
    wait_for(lambda: client.said("mine.json: 2 keyframes"))
    client.upload("Load path", "bad.json", b"{}")
    wait_for(lambda: client.said("error: bad.json"))
    before = len(client.of("SetCameraPositionMessage"))
    client.set("Play", True)
    wait_for(lambda: len(client.of("SetCameraPositionMessage")) > before + 1)
    client.set("steps", 2)
    client.set("Render mp4", True)
    wait_for(lambda: client.said("rendering 8 frames: "))
    client.set("Download mp4", True)
    video = client.download(".mp4")
  (tmp_path / "path.mp4").write_bytes(video)
  frames = read_video(tmp_path / "path.mp4")
  assert frames.shape == (8, 256, 256, 3)
  assert np.any(frames[0] != frames[-1])


def test_a_photo_becomes_scenes_that_are_compared_and_saved(port, tmp_path):
  photo = io.BytesIO()
  Image.fromarray(IMAGES[0]).save(photo, "PNG")
  with connected(port) as client:
    seen(client)
    client.set("token steps", 2)
    client.upload("Photo", "no.png", b"no photo")
    wait_for(lambda: client.said("error: no.png"))
    client.upload("Photo", "my room.png", photo.getvalue())
    wait_for(lambda: client.said("making 2 scenes of my room.png: "))
    wait_for(lambda: client.said("side by side"))
    client.set("my_room_1", "save")
    (tmp_path / "a.tok").write_bytes(client.download("my_room_1.tok"))
    client.set("my_room_1", "open")
    wait_for(lambda: client.said("opening my_room_1: "))
  scene = Scene.load(tmp_path / "a.tok")
  assert scene.key == "my_room_1"


def test_a_page_may_begin_with_a_photo(model):
  photo = io.BytesIO()
  Image.fromarray(IMAGES[1]).save(photo, "JPEG")
  viewer = start(model, ViewerChoice(photos=True), HERE)
  try:
    with connected(int(viewer.url.rpartition(":")[2])) as client:
      client.set("Add keyframe", True)
      wait_for(lambda: client.said("error: scene: none is open"))
      client.set("token steps", 1)
      client.set("seeds", 1)
      client.upload("Photo", "a.jpg", photo.getvalue())
      seen(client)
      assert client.said("a_0")
  finally:
    viewer.close()
