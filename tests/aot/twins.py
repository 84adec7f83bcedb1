"""Prints costs of small programs that libtpu compiles, as JSON; not a test.

Run as a process of its own: libtpu reads its variables once, and does not know
every flag of the CPU's compiler.
"""

import json

from scenetok_jax.aot.chips import CHIPS, topology_devices

DEVICES = topology_devices(CHIPS["v5e"], "v5e:2x2")[:1]

import jax  # noqa: E402  after the variables of libtpu are set
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import Mesh, NamedSharding  # noqa: E402
from jax.sharding import PartitionSpec as P  # noqa: E402

from scenetok_jax.aot.hlo import parse  # noqa: E402
from scenetok_jax.aot.hlo_cost import cost  # noqa: E402
from scenetok_jax.ops.splash import splash_attention  # noqa: E402

# Weights are too large for a core's own memory, activations are not.
DEPTH, WIDTH, ROWS = 16, 2048, 256
MESH = Mesh(np.array(DEVICES), ("data",))


def array(*shape):
  place = NamedSharding(MESH, P())
  return jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=place)


def found(function, *arrays):
  with jax.set_mesh(MESH):
    text = jax.jit(function).lower(*arrays).compile().as_text()
  costs = cost(parse(text))
  return {"flops": costs.flops, "bytes": costs.bytes}


def layers(unroll):
  def loss(x, weights):
    x, _ = jax.lax.scan(
      lambda x, w: (jnp.tanh(x @ w), None), x, weights, unroll=unroll
    )
    return jnp.sum(x.astype(jnp.float32))

  return jax.grad(loss)


def attention(*arrays):
  return splash_attention(*arrays, causal=False)


def main():
  stack, rows = array(DEPTH, WIDTH, WIDTH), array(ROWS, WIDTH)
  heads = array(2, 512, 4, 64)
  results = {
    "scanned": found(layers(1), rows, stack),
    "unrolled": found(layers(DEPTH), rows, stack),
    "product": found(jnp.matmul, rows, array(WIDTH, WIDTH)),
    "attention": found(attention, heads, heads, heads),
  }
  print(json.dumps(results))


if __name__ == "__main__":
  main()
