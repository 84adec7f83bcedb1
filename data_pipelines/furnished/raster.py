"""Drawing a lit mesh with OpenGL: images, exact depth and objects."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from einops import rearrange, reduce

from data_pipelines.furnished.mesh import Mesh
from scenetok_jax.types import InputError

SUPERSAMPLE = 3  # odd: the middle sample is the pixel's centre
NEAR, FAR = 0.04, 40.0  # metres
_VERTEX = """
#version 330
uniform mat4 view;
in vec3 point; in vec2 uv; in vec4 color; in vec4 light; in float layer;
out vec2 uv_; out vec3 albedo; out vec4 light_; flat out float layer_;
void main() {
  gl_Position = view * vec4(point, 1.0);
  uv_ = uv; albedo = color.rgb; light_ = light; layer_ = layer;
}
"""
# light.a tells how much a surface shows by itself instead of reflecting.
_FRAGMENT = """
#version 330
uniform sampler2DArray images;
uniform float exposure;
in vec2 uv_; in vec3 albedo; in vec4 light_; flat in float layer_;
layout(location = 0) out vec4 result;
void main() {
  vec4 texel = texture(images, vec3(uv_, layer_));
  if (texel.a < 0.5) discard;
  vec3 tint = texel.rgb * albedo;
  // Squares and roots instead of powers of 2.2: software GL draws this.
  vec3 base = tint * tint;
  vec3 x = base * light_.rgb * exposure;
  vec3 film = clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14),
                    0.0, 1.0);
  result = vec4(mix(sqrt(film), tint, light_.a), 1.0);
}
"""


@dataclasses.dataclass(frozen=True)
class Frames:
  """images: uint8 [T H W 3]. depth: float32 [T H W], metres along the axis."""

  images: np.ndarray
  depth: np.ndarray


class Raster:
  """An OpenGL context of its own; one a process is enough.

  renderer: what OpenGL says it is.

  Raises:
    InputError: there is no OpenGL, or the extra [rooms] is missing.
  """

  def __init__(self, size: int):
    try:
      import moderngl
    except ImportError:
      raise InputError(
        "--dataset=furnished: moderngl is not installed; run `pip install"
        " 'scenetok_jax[rooms]'`"
      ) from None
    # Rooms are drawn side by side: no threads within one.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    backend: dict[str, Any] = {"backend": "egl"}
    try:
      self._gl: Any = moderngl.create_context(  # its stubs are partial
        standalone=True, require=330, **backend
      )
    except Exception as error:  # moderngl raises bare Exceptions
      raise InputError(
        f"--dataset=furnished: no OpenGL ({error}); run `apt-get install"
        " libegl1 libgl1-mesa-dri`"
      ) from None
    self._size = size
    side = size * SUPERSAMPLE
    self._color = self._gl.texture((side, side), 4)
    self._depth = self._gl.depth_texture((side, side))
    self._target = self._gl.framebuffer([self._color], self._depth)
    self._program: Any = self._gl.program(
      vertex_shader=_VERTEX, fragment_shader=_FRAGMENT
    )
    self._moderngl = moderngl
    self.renderer = self._gl.info["GL_RENDERER"]

  def draw(
    self, mesh: Mesh, light: np.ndarray, exposure: float, c2w: np.ndarray,
    focal: float,
  ) -> Frames:  # fmt: skip
    """Frames of a room.

    Args:
      mesh: the room.
      light: float32 [V 3], irradiance / pi of each vertex.
      exposure: multiplies light before the film curve.
      c2w: [T 4 4], OpenCV axes, metres.
      focal: of a square pinhole camera, in image widths.
    """
    array, buffers = self._upload(mesh, light)
    boxes = part_boxes(mesh)
    self._program["exposure"].value = exposure
    self._target.use()
    self._gl.enable(self._moderngl.DEPTH_TEST)
    size, side = self._size, self._size * SUPERSAMPLE
    images = np.empty((len(c2w), size, size, 3), np.uint8)
    depth = np.empty((len(c2w), size, size), np.float32)
    for i, pose in enumerate(c2w):
      matrix = projection(focal) @ np.linalg.inv(pose.astype(np.float64))
      self._program["view"].write(matrix.T.astype("f4").tobytes())
      self._target.clear(0.0, 0.0, 0.0, 1.0, depth=1.0)
      for first, count in visible_runs(boxes, matrix):
        array.render(vertices=count, first=first)
      pixels = np.frombuffer(self._target.read(components=3), np.uint8)
      fine = rearrange(pixels, "(y x c) -> y x c", y=side, x=side)
      mean = reduce(
        fine.astype(np.uint16), "(y a) (x b) c -> y x c", "sum",
        a=SUPERSAMPLE, b=SUPERSAMPLE,
      )  # fmt: skip
      images[i] = (mean + SUPERSAMPLE**2 // 2) // SUPERSAMPLE**2
      z = np.frombuffer(self._depth.read(), np.float32)
      z = rearrange(z, "(y x) -> y x", y=side)
      middle = SUPERSAMPLE // 2
      depth[i] = linear_depth(z[middle::SUPERSAMPLE, middle::SUPERSAMPLE])
    for buffer in buffers:
      buffer.release()
    return Frames(images, depth)

  def _upload(self, mesh: Mesh, light: np.ndarray):
    rows = np.zeros(
      len(mesh.points),
      [("point", "f4", 3), ("uv", "f4", 2), ("color", "u1", 4),
       ("light", "f4", 4), ("layer", "f4")],
    )  # fmt: skip
    rows["point"], rows["uv"] = mesh.points, mesh.uv
    rows["color"][:, :3] = np.round(255 * np.clip(mesh.colors, 0, 1))
    rows["light"][:, :3], rows["light"][:, 3] = light, mesh.glow
    rows["layer"] = mesh.layers
    vertices = self._gl.buffer(rows.tobytes())
    faces = self._gl.buffer(mesh.faces.astype(np.int32).tobytes())
    array = self._gl.vertex_array(
      self._program,
      [(vertices, "3f 2f 4f1 4f 1f", "point", "uv", "color", "light",
        "layer")],
      faces,
    )  # fmt: skip
    count, side = mesh.textures.shape[:2]
    texture = self._gl.texture_array(
      (side, side, count), 4, mesh.textures.tobytes()
    )
    texture.build_mipmaps()
    texture.filter = (
      self._moderngl.LINEAR_MIPMAP_LINEAR, self._moderngl.LINEAR,
    )  # fmt: skip
    texture.use(0)
    return array, (array, vertices, faces, texture)


@dataclasses.dataclass(frozen=True)
class PartBoxes:
  """corners [P 8 3] around each run of faces of one part; edges [P + 1]."""

  corners: np.ndarray
  edges: np.ndarray


def part_boxes(mesh: Mesh) -> PartBoxes:
  """The boxes around the parts, in the order of the faces."""
  starts = np.flatnonzero(np.diff(mesh.part, prepend=-1))
  low = np.minimum.reduceat(mesh.points[mesh.faces].min(1), starts)
  high = np.maximum.reduceat(mesh.points[mesh.faces].max(1), starts)
  picks = np.indices((2, 2, 2))
  picks = rearrange(picks, "k a b c -> (a b c) k").astype(bool)
  corners = np.where(picks[None], high[:, None], low[:, None])
  return PartBoxes(corners, np.append(starts, len(mesh.faces)))


def visible_runs(
  boxes: PartBoxes, matrix: np.ndarray
) -> Iterator[tuple[int, int]]:
  """(first index, indices) of runs of parts that may be seen."""
  ones = np.ones((*boxes.corners.shape[:2], 1))
  clip = np.concatenate([boxes.corners, ones], -1) @ matrix.T
  x, y, w = clip[..., 0], clip[..., 1], clip[..., 3]
  hidden = [x > w, x < -w, y > w, y < -w, w < NEAR]
  seen = ~np.any([side.all(1) for side in hidden], 0)
  turns = np.flatnonzero(np.diff(seen.astype(int), prepend=0, append=0))
  for first, last in zip(turns[::2], turns[1::2], strict=True):
    start, end = int(boxes.edges[first]), int(boxes.edges[last])
    yield 3 * start, 3 * (end - start)


def projection(focal: float) -> np.ndarray:
  """Camera coordinates (OpenCV) -> clip space [4 4] of a square image.

  Row 0 of what is read back is the top of the image.
  """
  a, b = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
  return np.array([
    [2 * focal, 0, 0, 0], [0, 2 * focal, 0, 0], [0, 0, a, b], [0, 0, 1, 0],
  ])  # fmt: skip


def linear_depth(z: np.ndarray) -> np.ndarray:
  """Depth buffer in [0, 1] -> metres along the axis."""
  clip = 2.0 * z.astype(np.float64) - 1.0
  far, near = FAR, NEAR
  return (2 * far * near / (far + near - clip * (far - near))).astype(
    np.float32
  )
