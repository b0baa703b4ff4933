// What a convolution computes, forwards and transposed, and what it costs: numbers only, nothing is drawn.

const KERNELS = {
  "vertical edge": (row, column, k) => Math.sign(column - (k - 1) / 2),
  "horizontal edge": (row, column, k) => Math.sign(row - (k - 1) / 2),
  "diagonal edge": (row, column) => Math.sign(column - row),
  mean: (row, column, k) => 1 / (k * k),
};

/** What input channels there can be: one image in four dresses, so that they can be told apart. */
const CHANNELS = {
  "the scan": (image) => image,
  mirrored: (image) => image.map((line) => [...line].reverse()),
  "upside down": (image) => [...image].reverse(),
  negative: (image) => image.map((line) => line.map((pixel) => 255 - pixel)),
};

const shape = (map) => [map.length, map[0].length];
const blank = (height, width, value) => Array.from({ length: height }, () => Array(width).fill(value));

/** A kernel has weights of its own for each channel that it reads: here those of the next name in the list. */
function kernelSlice({ kernel, k }, slice) {
  const names = Object.keys(KERNELS);
  const name = names[(names.indexOf(kernel) + slice) % names.length];
  const weight = (row, column) => (k === 1 ? 1 : KERNELS[name](row, column, k));
  return { name, weights: blank(k, k, 0).map((line, i) => line.map((_, j) => weight(i, j))) };
}

/** Pixels from the first tap to the last. */
const span = ({ k, dilation }) => dilation * (k - 1) + 1;

/** Rows (or columns) that come out of `length`. */
function outputLength(length, settings) {
  const { stride, padding, transposed, outputPadding } = settings;
  if (transposed) return (length - 1) * stride - 2 * padding + span(settings) + outputPadding;
  return Math.floor((length + 2 * padding - span(settings)) / stride) + 1;
}

/** The same for both directions: visit the pixels (y, x) that the taps (i, j) of one window meet. */
function eachTap({ k, stride, padding, dilation }, row, column, visit) {
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < k; j++) {
      visit(i, j, row * stride - padding + i * dilation, column * stride - padding + j * dilation);
    }
  }
}

/** One output map. Forwards a window gathers what its taps meet; transposed it stamps its value onto them. */
function convolve(channels, settings, windows = Infinity) {
  const inputShape = shape(channels[0]);
  const output = blank(...inputShape.map((length) => outputLength(length, settings)), 0);
  const slices = channels.map((_, slice) => kernelSlice(settings, slice).weights);
  const [rows, columns] = settings.transposed ? inputShape : shape(output);
  for (let at = 0; at < Math.min(windows, rows * columns); at++) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    eachTap(settings, row, column, (i, j, y, x) =>
      channels.forEach((channel, c) => {
        const weight = slices[c][i][j];
        if (!settings.transposed) output[row][column] += weight * (channel[y]?.[x] ?? 0);
        else if (output[y]?.[x] !== undefined) output[y][x] += weight * channel[row][column];
      }),
    );
  }
  return output;
}

/** Output size, parameters and multiply-accumulates of the layer, as nn.Conv2d and nn.ConvTranspose2d have them. */
function layerCosts(settings, inputShape) {
  const { k, kernels, channels, groups, transposed } = settings;
  const size = inputShape.map((length) => outputLength(length, settings));
  const weights = kernels * k * k * (channels / groups);
  const [height, width] = transposed ? inputShape : size;
  return { size, weights, parameters: weights + kernels, macs: height * width * weights };
}

/** How the three counts come about, in numbers. */
function formulas(settings, inputShape, size) {
  const { k, stride, padding, dilation, kernels, channels, groups, transposed, outputPadding } = settings;
  const reach = dilation === 1 ? `${k}` : `(${dilation}·${k - 1} + 1)`;
  const read = channels === 1 ? "" : groups === 1 ? `·${channels}` : `·${channels}/${groups}`;
  const places = transposed ? inputShape : size;
  const length = transposed
    ? `(${inputShape[0]} − 1)·${stride} − 2·${padding} + ${reach}${outputPadding ? ` + ${outputPadding}` : ""} = ${size[0]}`
    : `⌊(${inputShape[0]} + 2·${padding} − ${reach}) / ${stride}⌋ + 1 = ${size[0]}`;
  return {
    length,
    parameters: `${kernels} × (${k}·${k}${read} + 1 bias)`,
    macs: `${places.join("·")}·${kernels} × ${k}·${k}${read}${transposed ? ", at each input place" : ""}`,
  };
}

/** Settings that follow from others: what no longer fits gives way. */
function settle(settings) {
  const groups = Math.min(settings.groups, settings.channels);
  return {
    ...settings,
    groups,
    group: Math.min(settings.group, groups),
    channel: Math.min(settings.channel, settings.channels / groups),
    kernels: Math.min(Math.floor(16 / groups), Math.ceil(settings.kernels / groups)) * groups,
    outputPadding: settings.transposed
      ? Math.min(settings.outputPadding, Math.max(settings.stride, settings.dilation) - 1)
      : 0,
  };
}

/** Whether an option can be chosen: it stays as it is, and something comes out. */
function possible(settings, key, value, inputShape) {
  const candidate = settle({ ...settings, [key]: value });
  return candidate[key] === value && inputShape.every((length) => outputLength(length, candidate) >= 1);
}

const WHY_NOT = {
  groups: "Groups must divide the input channels.",
  outputPadding: "Must be smaller than the stride or the dilation.",
  other: "The window must fit into the padded image.",
};

/** In how many ways a tap of some window meets row (or column) `at` of a transposed output. */
function meetings(at, { k, stride, padding, dilation }, length) {
  const windows = Array.from({ length: k }, (_, tap) => (at + padding - tap * dilation) / stride);
  return windows.filter((window) => Number.isInteger(window) && window >= 0 && window < length).length;
}

/** What happens at one window, in a sentence. */
function tellWindow(settings, channels, output, partial) {
  const { k, row, column, stride, padding, dilation, transposed } = settings;
  const several = channels.length > 1 ? ` of ${channels.length} channels` : "";
  if (!transposed) {
    const products = `${k * k * channels.length} products${several}`;
    return `At row ${row}, column ${column} the ${products} add up to ${format(output[row][column], 2)}.`;
  }
  const first = (at) => at * stride - padding;
  const reach = (at, limit) => [Math.max(0, first(at)), Math.min(limit, first(at) + span(settings)) - 1];
  const [rows, columns] = [reach(row, output.length), reach(column, output[0].length)];
  const [y, x] = [row, column].map((at) => first(at) + Math.floor((k - 1) / 2) * dilation);
  const value = output[y]?.[x];
  const count = [y, x].reduce((n, at, i) => n * meetings(at, settings, shape(channels[0])[i]), channels.length);
  const sum = format(value ?? 0, 2);
  const at = `row ${y}, column ${x}`;
  const products = `${count} product${count === 1 ? "" : "s"}${partial ? " in the end" : ""}`;
  const middle = value === undefined
    ? "Its middle is cut away."
    : `Its middle, ${at}, holds ${sum}${partial ? " so far" : ""}, from ${products}.`;
  const place = rows[0] > rows[1] || columns[0] > columns[1]
    ? "falls outside of the output"
    : `covers rows ${rows.join(" to ")} and columns ${columns.join(" to ")} of the output`;
  return `The stamp of row ${row}, column ${column}${several} ${place}. ${middle}`;
}
