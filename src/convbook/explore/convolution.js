// A window slides over the pixels of one image: what a convolution computes, and what it costs.

const KERNELS = {
  "vertical edge": (row, column, k) => (k === 1 ? 1 : Math.sign(column - (k - 1) / 2)),
  "horizontal edge": (row, column, k) => (k === 1 ? 1 : Math.sign(row - (k - 1) / 2)),
  mean: (row, column, k) => 1 / (k * k),
};

/** The feature map of one kernel: rows of sums over windows of the zero-padded image. */
function convolve(image, { kernel, k, stride, padding }) {
  const size = (length) => Math.floor((length + 2 * padding - k) / stride) + 1;
  const sum = (top, left) => {
    let total = 0;
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) total += (image[top + i]?.[left + j] ?? 0) * KERNELS[kernel](i, j, k);
    }
    return total;
  };
  return Array.from({ length: size(image.length) }, (_, row) =>
    Array.from({ length: size(image[0].length) }, (_, column) => sum(row * stride - padding, column * stride - padding)),
  );
}

/** A canvas with one pixel a value, and a frame that marks a part of it. */
function picture(caption, onPoint) {
  const canvas = create("canvas", { "aria-hidden": "true" });
  const frame = create("div", { class: "cb-window" });
  const box = create("div", { class: "cb-picture" }, canvas, frame);
  const words = create("figcaption", {}, caption);
  const point = (event) => {
    const area = canvas.getBoundingClientRect();
    const row = ((event.clientY - area.top) / area.height) * canvas.height;
    onPoint(Math.floor(row), Math.floor(((event.clientX - area.left) / area.width) * canvas.width));
  };
  box.addEventListener("pointerdown", point);
  box.addEventListener("pointermove", (event) => event.buttons && point(event));
  return {
    element: create("figure", {}, words, box),
    paint(values, low, high, text) {
      words.textContent = text;
      [canvas.height, canvas.width] = [values.length, values[0].length];
      const pixels = new ImageData(canvas.width, canvas.height);
      values.flat().forEach((value, i) => {
        const grey = value === null ? [120, 150, 190] : Array(3).fill((255 * (value - low)) / (high - low || 1));
        pixels.data.set([...grey, 255], 4 * i);
      });
      canvas.getContext("2d").putImageData(pixels, 0, 0);
    },
    mark(row, column, side) {
      const percent = (part, whole) => `${(100 * part) / whole}%`;
      Object.assign(frame.style, {
        top: percent(row, canvas.height),
        left: percent(column, canvas.width),
        height: percent(side, canvas.height),
        width: percent(side, canvas.width),
      });
    },
  };
}

export default {
  render({ model, el }) {
    const image = model.get("image");
    const state = { kernel: "vertical edge", k: 5, stride: 1, padding: 0, kernels: 6, row: 12, column: 10 };
    let output;

    const moveTo = (row, column) => {
      state.row = Math.max(0, Math.min(row, output.length - 1));
      state.column = Math.max(0, Math.min(column, output[0].length - 1));
      rows.set(state.row, output.length - 1);
      columns.set(state.column, output[0].length - 1);
      showWindow();
    };
    const option = (label, key, options) =>
      choice({ label, options, value: state[key], onChange: (value) => { state[key] = value; recompute(); } }).element;
    const position = (label, key) =>
      slider({ label, min: 0, max: 27, value: state[key], onInput: (value) => { state[key] = value; showWindow(); } });

    const rows = position("Row of the output", "row");
    const columns = position("Column of the output", "column");
    const kernels = slider({
      label: "Kernels (output channels)", min: 1, max: 16, value: state.kernels,
      onInput: (value) => { state.kernels = value; showCounts(); },
    });
    const input = picture("Image", (row, column) => {
      const first = (at) => Math.round((at - (state.k - 1) / 2) / state.stride);
      moveTo(first(row), first(column));
    });
    const result = picture("Output", moveTo);
    const products = draw("svg", { role: "img" });
    const counts = facts();
    const spoken = status();

    function recompute() {
      output = convolve(image, state);
      const { padding } = state;
      const blank = Array(image[0].length + 2 * padding).fill(null);
      const side = Array(padding).fill(null);
      const frame = Array(padding).fill(blank);
      const padded = [...frame, ...image.map((row) => [...side, ...row, ...side]), ...frame];
      const pad = padding ? `, and ${padding} of zeros around (blue)` : "";
      input.paint(padded, 0, 255, `Image, ${image.length} × ${image[0].length}${pad}`);
      const values = output.flat();
      const title = `Output, ${output.length} × ${output[0].length}`;
      result.paint(output, Math.min(...values), Math.max(...values), title);
      showCounts();
      moveTo(state.row, state.column);
    }

    function showCounts() {
      const [height, width] = [output.length, output[0].length];
      const { k, kernels: n } = state;
      counts.update({
        "Output size": [`${n} × ${height} × ${width}`, `⌊(${image.length} + 2·${state.padding} − ${k}) / ${state.stride}⌋ + 1 = ${height}`],
        Parameters: [format(n * (k * k + 1)), `${n} × (${k}·${k} + 1 bias)`],
        "Multiply-accumulates": [format(height * width * n * k * k), `${height}·${width}·${n} × ${k}·${k}`],
      });
      speak();
    }

    function showWindow() {
      const { k, stride, padding, row, column, kernel } = state;
      input.mark(row * stride, column * stride, k);
      result.mark(row, column, 1);
      const cell = Math.min(50, 350 / k);
      const parts = [];
      for (let i = 0; i < k; i++) {
        for (let j = 0; j < k; j++) {
          const pixel = image[row * stride - padding + i]?.[column * stride - padding + j] ?? 0;
          const weight = KERNELS[kernel](i, j, k);
          const words = kernel === "mean" ? `/${k * k}` : `×${format(weight)}`;
          const ink = pixel > 127 ? "fill: #111" : "fill: #fff";
          const middle = { x: (j + 0.5) * cell, "text-anchor": "middle", style: `${ink}; font-size: ${Math.min(13, cell / 3.4)}px` };
          const shade = `fill: rgb(${pixel} ${pixel} ${pixel}); stroke: var(--line)`;
          parts.push(
            draw("rect", { x: j * cell, y: i * cell, width: cell, height: cell, style: shade }),
            draw("text", { ...middle, y: (i + 0.45) * cell }, String(pixel)),
            draw("text", { ...middle, y: (i + 0.8) * cell }, words),
          );
        }
      }
      products.setAttribute("viewBox", `0 0 ${cell * k} ${cell * k}`);
      products.style.maxWidth = `${cell * k}px`;
      products.setAttribute("aria-label", `The ${k} by ${k} pixels under the window, each with its weight`);
      products.replaceChildren(...parts);
      speak();
    }

    function speak() {
      const { row, column, k } = state;
      if (row >= output.length || column >= output[0].length) return;
      const value = format(output[row][column], 2);
      spoken.say(`At row ${row}, column ${column} the ${k * k} products add up to ${value}.`);
    }

    el.append(
      create("div", { class: "cb-controls" },
        option("Kernel", "kernel", Object.keys(KERNELS)),
        option("Kernel size", "k", [1, 3, 5, 7].map((k) => [k, `${k}×${k}`])),
        option("Stride", "stride", [1, 2, 3, 4]),
        option("Padding", "padding", [0, 1, 2, 3])),
      create("div", { class: "cb-pair" }, input.element, result.element),
      create("div", { class: "cb-controls" }, rows.element, columns.element),
      create("figure", {}, create("figcaption", {}, "Pixels under the window and their weights"), products),
      spoken.element,
      kernels.element,
      counts.element,
    );
    recompute();
  },
};
