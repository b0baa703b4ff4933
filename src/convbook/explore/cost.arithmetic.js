// Seven kinds of convolution as lists of layers: what each layer costs, and what an output value sees.

const square = (side) => [side, side];

/** One convolution without bias, padded so that stride 1 keeps the size; kernel and stride are [height, width]. */
function convolution(inputs, outputs, kernel, { groups = 1, stride = square(1) } = {}) {
  const how = groups === 1 ? "" : groups === inputs && inputs === outputs ? " depthwise" : ` in ${groups} groups`;
  return { inputs, outputs, kernel, groups, stride, name: kernel.join("×") + how };
}

/** The layers of each kind. */
function designs({ inputs, outputs, k, groups, stride }, narrowing) {
  const inner = outputs / narrowing;
  const strided = { stride: square(stride) };
  const depthwise = (channels) => convolution(channels, channels, square(k), { groups: channels, ...strided });
  return {
    Standard: [convolution(inputs, outputs, square(k), strided)],
    Grouped: [convolution(inputs, outputs, square(k), { groups, ...strided })],
    Depthwise: [depthwise(inputs)],
    "Depthwise separable": [depthwise(inputs), convolution(inputs, outputs, square(1))],
    Asymmetric: [
      convolution(inputs, outputs, [1, k], { stride: [1, stride] }),
      convolution(outputs, outputs, [k, 1], { stride: [stride, 1] }),
    ],
    Bottleneck: [
      convolution(inputs, inner, square(1)),
      convolution(inner, inner, square(k), strided),
      convolution(inner, outputs, square(1)),
    ],
    "Shuffled groups": [
      convolution(inputs, inner, square(1), { groups }),
      { inputs: inner, outputs: inner, kernel: square(1), groups, stride: square(1), name: "shuffle", shuffles: true },
      depthwise(inner),
      convolution(inner, outputs, square(1), { groups }),
    ],
  };
}

/** Parameters, multiply-accumulates and output values of each layer; a shuffle only moves values. */
function layerCosts(layers, resolution) {
  let size = square(resolution);
  return layers.map(({ inputs, outputs, kernel, groups, stride, shuffles }) => {
    size = size.map((length, axis) => Math.ceil(length / stride[axis]));
    const params = shuffles ? 0 : (outputs * inputs * kernel[0] * kernel[1]) / groups;
    const positions = size[0] * size[1];
    return { params, macs: params * positions, written: outputs * positions };
  });
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** All layers together: {params, macs, bytes}, float32. */
function blockCosts(layers, resolution) {
  const parts = layerCosts(layers, resolution);
  const total = (key) => sum(parts.map((part) => part[key]));
  return { params: total("params"), macs: total("macs"), bytes: 4 * total("written") };
}

/** Which input channels a layer reads for the output channels that are marked. */
function channelsBefore({ inputs, outputs, groups, shuffles }, seen) {
  const before = Array(inputs).fill(false);
  seen.forEach((marked, channel) => {
    if (!marked) return;
    // Channel i of group j goes to place i·groups + j.
    if (shuffles) before[(channel % groups) * (inputs / groups) + Math.floor(channel / groups)] = true;
    else {
      const group = Math.floor((channel * groups) / outputs);
      before.fill(true, (group * inputs) / groups, ((group + 1) * inputs) / groups);
    }
  });
  return before;
}

/** From the input to the output: the channels, marked where one output value depends on them, and its window. */
function traceBack(layers, channel) {
  let seen = Array.from({ length: layers.at(-1).outputs }, (_, i) => i === channel);
  let window = square(1);
  const levels = [{ seen, window }];
  for (const layer of [...layers].reverse()) {
    seen = channelsBefore(layer, seen);
    window = window.map((length, axis) => (length - 1) * layer.stride[axis] + layer.kernel[axis]);
    levels.unshift({ seen, window });
  }
  return levels;
}
