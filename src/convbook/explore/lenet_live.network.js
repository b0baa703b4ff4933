// A network in plain code: layers as convbook.explore.lenet_live exports them, maps as flat arrays.

const SQUASH = {
  scaled_tanh: (x) => 1.7159 * Math.tanh((2 / 3) * x),
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
  "": (x) => x,
};

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Base64 of 16-bit floats, little-endian, as numbers. */
function halves(text) {
  const view = new DataView(bytes(text).buffer);
  const values = new Float64Array(view.byteLength / 2);
  for (let i = 0; i < values.length; i++) {
    const bits = view.getUint16(2 * i, true);
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    values[i] = bits >> 15 ? -size : size;
  }
  return values;
}

/** Give each layer its weights, what it reads, and the part of the input that one of its values sees. */
function prepareLayers(told, weights, side) {
  let [at, below, size, jump] = [0, { maps: 1, side }, 1, 1];
  const take = (count) => weights.subarray(at, (at += count));
  return told.map((layer) => {
    const ready = { ...layer, from: below };
    if (layer.kind === "convolution") {
      ready.wires ??= Array.from({ length: layer.maps * below.maps }, (_, i) => [i % below.maps, Math.floor(i / below.maps)]);
      ready.kernels = take(ready.wires.length * layer.k ** 2);
      ready.bias = take(layer.maps);
      size += (layer.k - 1) * jump;
    } else if (layer.kind === "codes") {
      ready.codes = take(layer.maps * below.maps);
    } else {
      if (layer.kind === "sum") [ready.scale, ready.bias] = [take(layer.maps), take(layer.maps)];
      size += jump;
      jump *= 2;
    }
    below = layer;
    return { ...ready, size, jump };
  });
}

const OPERATIONS = {
  // Plain loops: this is where the time goes.
  convolution({ from, maps, side, k, wires, kernels, bias }, x) {
    const out = new Float64Array(maps * side ** 2);
    for (let map = 0; map < maps; map++) out.fill(bias[map], map * side ** 2, (map + 1) * side ** 2);
    for (let wire = 0; wire < wires.length; wire++) {
      const source = wires[wire][0] * from.side ** 2;
      const target = wires[wire][1] * side ** 2;
      for (let i = 0; i < k * k; i++) {
        const weight = kernels[wire * k * k + i];
        const corner = source + Math.floor(i / k) * from.side + (i % k);
        for (let row = 0; row < side; row++) {
          const to = target + row * side;
          const start = corner + row * from.side;
          for (let column = 0; column < side; column++) out[to + column] += weight * x[start + column];
        }
      }
    }
    return out;
  },
  sum: (layer, x) => pool(layer, x, (a, b, c, d, map) => layer.scale[map] * (a + b + c + d) + layer.bias[map]),
  max: (layer, x) => pool(layer, x, (a, b, c, d) => Math.max(a, b, c, d)),
  codes: ({ maps, codes }, x) =>
    Float64Array.from({ length: maps }, (_, code) =>
      x.reduce((sum, value, i) => sum + (value - codes[code * x.length + i]) ** 2, 0)),
};

function pool({ from, maps, side }, x, join) {
  return Float64Array.from({ length: maps * side ** 2 }, (_, i) => {
    const [map, row, column] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    const at = (map * from.side + 2 * row) * from.side + 2 * column;
    return join(x[at], x[at + 1], x[at + from.side], x[at + from.side + 1], map);
  });
}

/** The values of every layer for one normalised image. */
function forward(layers, x) {
  return layers.map((layer) => (x = OPERATIONS[layer.kind](layer, x).map(SQUASH[layer.squash])));
}
