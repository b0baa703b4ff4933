// A trained LeNet in plain code: what is drawn runs through every layer, and all maps are shown.

const SQUASH = {
  scaled_tanh: (x) => 1.7159 * Math.tanh((2 / 3) * x),
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
  "": (x) => x,
};

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const percent = (part, whole) => `${(100 * part) / whole}%`;
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Base64 of 16-bit floats, little-endian, as numbers. */
function halves(text) {
  const view = new DataView(bytes(text).buffer);
  return Float64Array.from({ length: view.byteLength / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
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
  convolution({ from, maps, side, k, wires, kernels, bias }, x) {
    const out = Float64Array.from({ length: maps * side ** 2 }, (_, i) => bias[Math.floor(i / side ** 2)]);
    wires.forEach(([source, target], wire) => {
      for (let i = 0; i < k * k; i++) {
        const weight = kernels[wire * k * k + i];
        const corner = source * from.side ** 2 + Math.floor(i / k) * from.side + (i % k);
        for (let row = 0; row < side; row++) {
          const [to, start] = [(target * side + row) * side, corner + row * from.side];
          for (let column = 0; column < side; column++) out[to + column] += weight * x[start + column];
        }
      }
    });
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

/** Share of ink in each cell of a field, 0 to 1: strokes of round pens on a bitmap, 4 x 4 pixels a cell. */
function inkInCells(strokes, radius, cells) {
  const n = 4 * cells;
  const share = new Float64Array(cells ** 2);
  const inked = new Uint8Array(n * n);
  const span = (a, b) => [Math.max(0, Math.floor(Math.min(a, b) - radius)), Math.min(n - 1, Math.ceil(Math.max(a, b) + radius))];
  for (const stroke of strokes) {
    stroke.forEach(([x1, y1], i) => {
      const [x0, y0] = stroke[Math.max(0, i - 1)];
      const [dx, dy] = [x1 - x0, y1 - y0];
      const [[left, right], [top, bottom]] = [span(x0, x1), span(y0, y1)];
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const [px, py] = [column + 0.5 - x0, row + 0.5 - y0];
          const along = Math.max(0, Math.min(1, (px * dx + py * dy) / (dx * dx + dy * dy || 1)));
          if (inked[row * n + column] || (px - along * dx) ** 2 + (py - along * dy) ** 2 > radius ** 2) continue;
          inked[row * n + column] = 1;
          share[Math.floor(row / 4) * cells + Math.floor(column / 4)] += 1 / 16;
        }
      }
    });
  }
  return share;
}

/** Scale strokes into the box that the training digits fill, with a pen that gives as much ink as theirs. */
function fit(strokes, { cells, box, pen, ink, by_mass: byMass }) {
  const range = (axis) => {
    const values = strokes.flat().map((point) => point[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const ranges = [range(0), range(1)];
  const longest = Math.max(...ranges.map(([low, high]) => high - low), 0.1);
  const extent = ranges.map(([low, high]) => Math.max(high - low, longest / 4)); // no line becomes a square
  const middle = ranges.map(([low, high]) => (low + high) / 2);
  const place = (radius) => {
    const [width, height] = box.map((length, axis) => (length - 2 * radius) / extent[axis]);
    const across = Math.min(width, height); // narrow digits stay narrow
    const scale = [across, byMass ? across : height];
    return strokes.map((stroke) => stroke.map((point) => point.map((value, axis) => (value - middle[axis]) * scale[axis] + 2 * cells)));
  };
  const mean = (values) => values.reduce((sum, value) => sum + value) / values.length;
  if (ink) {
    let [thin, thick] = [1, 5];
    for (let i = 0; i < 7; i++) {
      pen = (thin + thick) / 2;
      if (mean(inkInCells(place(pen), pen, cells)) > ink) thick = pen;
      else thin = pen;
    }
  }
  const placed = place(pen);
  const share = inkInCells(placed, pen, cells);
  if (!byMass) return share;
  const total = share.reduce((sum, value) => sum + value);
  const centre = (index) => share.reduce((sum, value, i) => sum + value * (index(i) + 0.5), 0) / total;
  const move = [centre((i) => i % cells), centre((i) => Math.floor(i / cells))].map((at) => 4 * Math.round(cells / 2 - at));
  return inkInCells(placed.map((stroke) => stroke.map(([x, y]) => [x + move[0], y + move[1]])), pen, cells);
}

/** Cells, each enlarged by bilinear interpolation, in the middle of a side x side field of bytes. */
function enlarged(share, { cells, enlarge }, side) {
  const margin = (side - cells * enlarge) / 2;
  const image = new Uint8Array(side ** 2);
  const near = (pixel) => {
    const at = Math.max(0, (pixel + 0.5) / enlarge - 0.5);
    return [Math.floor(at), Math.min(Math.floor(at) + 1, cells - 1), at - Math.floor(at)];
  };
  for (let row = 0; row < cells * enlarge; row++) {
    for (let column = 0; column < cells * enlarge; column++) {
      const [[top, bottom, down], [left, right, across]] = [near(row), near(column)];
      const line = (y) => (1 - across) * share[y * cells + left] + across * share[y * cells + right];
      image[(row + margin) * side + column + margin] = Math.round(255 * ((1 - down) * line(top) + down * line(bottom)));
    }
  }
  return image;
}

/** Maps side by side on one canvas; a pixel is chosen by pointer or arrow keys. */
function sheet({ maps, side, columns, onChoose }) {
  const gap = side > 1 ? 1 : 0;
  const rows = Math.ceil(maps / columns);
  const canvas = create("canvas", { width: columns * (side + gap) - gap, height: rows * (side + gap) - gap });
  canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  if (onChoose) Object.entries({ role: "application", tabindex: 0 }).forEach(([key, value]) => canvas.setAttribute(key, value));
  else canvas.setAttribute("role", "img");
  const words = create("figcaption");
  const frame = create("div", { class: "cb-window", hidden: "" });
  let at = [0, 0];
  const choose = (x, y) => {
    at = [Math.max(0, Math.min(x, columns * side - 1)), Math.max(0, Math.min(y, rows * side - 1))];
    const map = Math.floor(at[1] / side) * columns + Math.floor(at[0] / side);
    if (map < maps) onChoose({ map, row: at[1] % side, column: at[0] % side });
  };
  const point = (event) => {
    const area = canvas.getBoundingClientRect();
    const cell = (part, whole, count) => {
      const pixel = Math.floor((part / whole) * count);
      return Math.floor(pixel / (side + gap)) * side + Math.min(pixel % (side + gap), side - 1);
    };
    choose(cell(event.clientX - area.left, area.width, canvas.width), cell(event.clientY - area.top, area.height, canvas.height));
  };
  if (onChoose) {
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("keydown", (event) => {
      if (!ARROWS[event.key]) return;
      event.preventDefault();
      choose(at[0] + ARROWS[event.key][0], at[1] + ARROWS[event.key][1]);
    });
  }
  return {
    element: create("figure", {}, words, create("div", { class: "cb-picture" }, canvas, frame)),
    paint(values, [low, high], caption, label = caption) {
      words.textContent = caption;
      canvas.setAttribute("aria-label", label);
      const pixels = new ImageData(canvas.width, canvas.height);
      values.forEach((value, i) => {
        const [map, row, column] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
        const y = Math.floor(map / columns) * (side + gap) + row;
        const grey = (255 * (value - low)) / (high - low || 1);
        pixels.data.set([grey, grey, grey, 255], 4 * (y * canvas.width + (map % columns) * (side + gap) + column));
      });
      canvas.getContext("2d").putImageData(pixels, 0, 0);
    },
    mark(spot, size = 1) {
      frame.hidden = !spot;
      if (!spot) return;
      const [x, y] = [(spot.map % columns) * (side + gap) + spot.column, Math.floor(spot.map / columns) * (side + gap) + spot.row];
      Object.assign(frame.style, {
        left: percent(x, canvas.width), top: percent(y, canvas.height),
        width: percent(size, canvas.width), height: percent(size, canvas.height),
      });
    },
  };
}

/** A field for strokes, by pointer or by a cross that arrow keys move; points run from 0 to 1. */
function drawingField({ strokes, pen, onDraw }) {
  const canvas = create("canvas", { width: 256, height: 256, role: "application", tabindex: 0 });
  canvas.style.touchAction = "none";
  const cross = create("div", { class: "cb-window", hidden: "" });
  const steps = 16;
  let cursor = [steps / 2, steps / 2];
  let stroke = null;
  const add = (point) => {
    if (stroke && strokes.includes(stroke)) stroke.push(point);
    else strokes.push((stroke = [point]));
    onDraw();
  };
  const point = (event) => {
    const area = canvas.getBoundingClientRect();
    add([(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    cross.hidden = true;
    stroke = null;
    point(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const between = event.getCoalescedEvents?.() ?? [];
    (between.length ? between : [event]).forEach(point);
  });
  canvas.addEventListener("pointerup", () => (stroke = null));
  canvas.addEventListener("pointercancel", () => (stroke = null));
  canvas.addEventListener("blur", () => (cross.hidden = true));
  canvas.addEventListener("keydown", (event) => {
    if (ARROWS[event.key]) cursor = cursor.map((at, axis) => Math.max(0, Math.min(at + ARROWS[event.key][axis], steps)));
    else if (event.key === " ") add(cursor.map((at) => at / steps));
    else if (event.key === "Enter") stroke = null;
    else return;
    event.preventDefault();
    cross.hidden = false;
    const [left, top] = cursor.map((at) => percent(at - 0.3, steps));
    Object.assign(cross.style, { left, top, width: percent(0.6, steps), height: percent(0.6, steps) });
  });
  const context = canvas.getContext("2d");
  return {
    element: create("div", { class: "cb-picture" }, canvas, cross),
    paint(base, side, label) {
      canvas.setAttribute("aria-label", label);
      context.fillStyle = "#000";
      context.fillRect(0, 0, 256, 256);
      const cell = 256 / side;
      base?.forEach((value, i) => {
        context.fillStyle = `rgb(${value} ${value} ${value})`;
        context.fillRect((i % side) * cell, Math.floor(i / side) * cell, cell, cell);
      });
      Object.assign(context, { strokeStyle: "#fff", lineWidth: 512 * pen, lineCap: "round", lineJoin: "round" });
      for (const each of strokes) {
        context.beginPath();
        [each[0], ...each].forEach(([x, y]) => context.lineTo(256 * x, 256 * y));
        context.stroke();
      }
    },
  };
}

/** Ten bars: what is read in the accent colour, what comes next in the warm one. */
function paintBars(svg, classes, scores, best, next, words) {
  const most = Math.max(...scores);
  const rows = classes.map((name, i) => {
    const y = 22 * i;
    const fill = i === best ? "var(--accent)" : i === next ? "var(--warm)" : "var(--control)";
    const mark = i === best ? ", read" : i === next ? ", next" : "";
    const width = (250 * scores[i]) / (most || 1);
    return [
      draw("text", { x: 0, y: y + 16 }, name),
      draw("rect", { x: 18, y: y + 3, width, height: 16, style: `fill: ${fill}` }),
      draw("text", { x: width + 24, y: y + 16, style: mark && "font-weight: 600" }, words(scores[i]) + mark),
    ];
  });
  svg.replaceChildren(...rows.flat());
}

export default {
  render({ model, el }) {
    const [side, classes, told] = ["side", "classes", "prepare"].map((key) => model.get(key));
    const layers = prepareLayers(model.get("layers"), halves(model.get("weights")), side);
    const samples = model.get("samples").map((sample) => ({ ...sample, pixels: bytes(sample.pixels) }));
    const byDistance = layers.at(-1).kind === "codes";
    const pen = (told.pen / 4) * told.enlarge;
    const strokes = [];
    const state = { sample: samples.find((each) => each.label === model.get("start")), right: 0, down: 0, fitted: true };
    let [shown, chosen, waiting] = [[], null, false];

    /** Bytes that the network sees: a prepared drawing, or a scan with what is drawn over it. */
    function see() {
      const asDrawn = (at) => ((at * side - (side - told.cells * told.enlarge) / 2) / told.enlarge) * 4;
      const plain = () => inkInCells(strokes.map((stroke) => stroke.map((point) => point.map(asDrawn))), told.pen, told.cells);
      const share = state.fitted && !state.sample && strokes.length ? fit(strokes, told) : plain();
      const drawn = enlarged(share, told, side);
      const still = state.sample ? drawn.map((value, i) => Math.max(value, state.sample.pixels[i])) : drawn;
      return still.map((_, i) => {
        const [row, column] = [Math.floor(i / side) - state.down, (i % side) - state.right];
        return row < 0 || column < 0 || row >= side || column >= side ? 0 : still[row * side + column];
      });
    }

    function update() {
      waiting = false;
      const pixels = see();
      const began = performance.now();
      const values = forward(layers, Float64Array.from(pixels, (pixel) => (pixel - model.get("mean")) / model.get("std")));
      const time = performance.now() - began;
      shown = [pixels, ...values];
      const scan = state.sample ? `a scan of a ${state.sample.label} and ` : "";
      field.paint(state.sample?.pixels, side, `Drawing field: ${scan}${strokes.length} strokes`);
      sheets.forEach(({ view, caption, limits }, i) => view.paint(shown[i], limits(shown[i]), caption));
      answer(values.at(-1), time);
      point(chosen);
      undo.disabled = !strokes.length;
      el.dispatchEvent(new CustomEvent("forward", { detail: shown.map((each) => [...each]), bubbles: true }));
    }

    function answer(outputs, time) {
      const top = Math.max(...outputs);
      const raised = outputs.map((output) => Math.exp(output - top));
      const scores = byDistance ? [...outputs] : [...raised.map((each) => each / raised.reduce((sum, value) => sum + value))];
      const order = [...scores.keys()].sort((a, b) => (byDistance ? scores[a] - scores[b] : scores[b] - scores[a]));
      const words = (score) => (byDistance ? format(score, 1) : `${format(100 * score, 1)} %`);
      paintBars(bars, classes, scores, order[0], order[1], words);
      const what = byDistance ? "squared distance to its code" : "probability";
      const [read, next] = order.slice(0, 2).map((i) => `${classes[i]} (${what} ${words(scores[i])})`);
      bars.setAttribute("aria-label", `Scores of the digits: ${scores.map((score, i) => `${classes[i]} ${words(score)}`).join(", ")}`);
      const nothing = strokes.length || state.sample ? "" : "Nothing is drawn, and still it answers. ";
      spoken.say(`${nothing}Read as ${read}; next comes ${next}.`);
      counts.update({ "Read as": classes[order[0]], Next: classes[order[1]], "One pass took": `${format(time, 1)} ms` });
      const codes = layers.at(-1).codes;
      if (codes) code.paint(codes.subarray(84 * order[0], 84 * order[0] + 84), [-1, 1], `Code of ${classes[order[0]]}`);
    }

    function point(spot) {
      chosen = spot;
      sheets.forEach(({ view }, i) => view.mark(spot?.sheet === i ? spot : null));
      if (!spot) return;
      const { sheet: number, map, row, column } = spot;
      const { name, size, jump, wires, side: own, from, kind } = layers[number - 1];
      sheets[0].view.mark({ map: 0, row: row * jump, column: column * jump }, size);
      const value = format(shown[number][(map * own + row) * own + column], 4);
      const reads = wires && from.maps > 1 && from.side > 1 ? `; of ${from.name ?? "the input"} it reads maps ${wires.filter((wire) => wire[1] === map).map((wire) => wire[0]).join(", ")}` : "";
      const span = (start) => `${start * jump} to ${start * jump + size - 1}`;
      pointed.say(`${name}, map ${map}, row ${row}, column ${column}: ${value}. It sees rows ${span(row)} and columns ${span(column)}${kind === "convolution" ? reads : ""}.`);
    }

    const later = () => {
      if (!waiting) requestAnimationFrame(update);
      waiting = true;
    };
    const button = (label, onClick, words = label) => {
      const element = create("button", { type: "button", "aria-label": words }, label);
      element.addEventListener("click", () => { onClick(); later(); });
      return element;
    };
    const clear = (sample = null) => { strokes.length = 0; state.sample = sample; right.set(0); down.set(0); Object.assign(state, { right: 0, down: 0 }); };
    const shift = (label, key) => slider({ label, min: -8, max: 8, value: 0, text: (n) => `${format(n)} px`, onInput: (n) => { state[key] = n; later(); } });
    const [right, down] = [shift("Move right", "right"), shift("Move down", "down")];
    const undo = button("Undo stroke", () => strokes.pop());
    const row = (label, extra) => create("fieldset", {}, create("legend", {}, label), create("div", { class: "cb-buttons" },
      ...samples.filter((sample) => sample.extra === extra).map((sample) => {
        const name = extra ? `${classes[sample.label]} as ${classes[sample.read]}` : classes[sample.label];
        return button(name, () => clear(sample), extra ? `Misread scan, ${name}` : `Scan of a ${name}`);
      })));
    const fitting = choice({
      label: "A drawing is", options: [["fitted", "scaled as the scans were"], ["plain", "left as drawn"]], value: "fitted",
      onChange: (value) => { state.fitted = value === "fitted"; later(); },
    });
    const field = drawingField({ strokes, pen: pen / side, onDraw: later });
    const views = [{ name: `What the network sees`, maps: 1, side, squash: "relu" }, ...layers.slice(0, -1)];
    const sheets = views.map((layer, i) => {
      const picture = byDistance && layer.maps === 84;
      const columns = picture ? 7 : layer.side === 1 ? 30 : Math.min(layer.maps, layer.maps % 6 ? 8 : 6);
      const view = sheet({ ...layer, columns, onChoose: i && layer.side > 1 ? (spot) => point({ ...spot, sheet: i }) : null });
      const shape = layer.side > 1 ? `${layer.side} × ${layer.side}` : picture ? "values as a picture" : "values";
      const limits = { scaled_tanh: () => [-1.7159, 1.7159], tanh: () => [-1, 1] }[layer.squash] ?? ((values) => [Math.min(0, ...values), Math.max(...values)]);
      return { view, picture, limits: i ? limits : () => [0, 255], caption: i ? `${layer.name}: ${layer.maps} ${layer.side > 1 ? "maps of " : ""}${shape}` : `${layer.name}, ${shape}` };
    });
    const code = sheet({ maps: 84, side: 1, columns: 7 });
    const bars = draw("svg", { role: "img", viewBox: "0 0 400 222" });
    const [spoken, pointed, counts] = [status(), status(), facts()];
    const pictures = sheets.filter((each) => each.picture).flatMap((each) => [each.view.element, code.element]);
    el.classList.add("cb-lenet");
    el.append(
      create("div", { class: "cb-controls" }, row("Scans that it was not trained on", false),
        ...(samples.some((each) => each.extra) ? [row("Scans that it misreads", true)] : [])),
      create("div", { class: "cb-pair" },
        create("figure", {}, create("figcaption", {}, "Draw here"), field.element,
          create("div", { class: "cb-buttons" }, button("Clear", () => clear()), undo)),
        sheets[0].view.element),
      create("p", { class: "cb-hint" }, "By keyboard: arrow keys move the cross, Space draws a line to it, Enter lifts the pen. Over a scan, ink falls where you draw it."),
      spoken.element,
      create("figure", {}, create("figcaption", {}, byDistance ? "Squared distance to each digit's code: the shortest wins" : "Probability of each digit"), bars),
      create("div", { class: "cb-controls" }, fitting.element, right.element, down.element),
      counts.element,
      create("p", { class: "cb-hint" }, "Point at a map, or move over it by arrow keys, to see what one of its values sees."),
      pointed.element,
      ...sheets.slice(1).filter((each) => !each.picture).map((each) => each.view.element),
      create("div", { class: "cb-pair cb-drawn" }, ...pictures),
      create("p", { class: "cb-hint" }, model.get("accuracy")),
    );
    update();
  },
};
