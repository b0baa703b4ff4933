// A trained LeNet in plain code: what is drawn runs through every layer, and all maps are shown.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const percent = (part, whole) => `${(100 * part) / whole}%`;
/** Maps side by side on one canvas; a pixel is chosen by pointer or arrow keys. */
function sheet({ label, maps, side, columns, onChoose }) {
  const gap = side > 1 ? 1 : 0;
  const rows = Math.ceil(maps / columns);
  const canvas = create("canvas", { "aria-label": label, width: columns * (side + gap) - gap, height: rows * (side + gap) - gap });
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
    paint(values, [low, high], caption) {
      words.textContent = caption;
      canvas.setAttribute("aria-label", caption);
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
  const canvas = create("canvas", { width: 256, height: 256, role: "application", tabindex: 0, "aria-label": "Drawing field" });
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
function paintBars(svg, classes, scores, [best, next], words) {
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
    const plan = model.get("layers");
    const samples = model.get("samples").map((sample) => ({ ...sample, pixels: bytes(sample.pixels) }));
    const byDistance = plan.at(-1).kind === "codes";
    const pen = (told.pen / 4) * told.enlarge;
    const strokes = [];
    const state = { sample: samples.find((each) => each.label === model.get("start")), right: 0, down: 0, fitted: true };
    let [layers, shown, chosen, waiting, fastest] = [null, [], null, false, Infinity];

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
      layers ??= prepareLayers(plan, halves(model.get("weights")), side);
      const pixels = see();
      const began = performance.now();
      const values = forward(layers, Float64Array.from(pixels, (pixel) => (pixel - model.get("mean")) / model.get("std")));
      const time = performance.now() - began;
      shown = [pixels, ...values];
      const scan = state.sample ? `a scan of a ${state.sample.label} and ` : "";
      field.paint(state.sample?.pixels, side, `Drawing field: ${scan}${strokes.length} ${strokes.length === 1 ? "stroke" : "strokes"}`);
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
      paintBars(bars, classes, scores, order, words);
      const what = byDistance ? "squared distance to its code" : "probability";
      bars.setAttribute("aria-label", `Scores of the digits: ${scores.map((score, i) => `${classes[i]} ${words(score)}`).join(", ")}`);
      const nothing = strokes.length || state.sample ? "" : "Nothing is drawn, and still it answers. ";
      const [read, next] = order;
      spoken.say(`${nothing}Read as ${classes[read]} (${what} ${words(scores[read])}), then ${classes[next]} (${words(scores[next])}).`);
      fastest = Math.min(fastest, time);
      took.textContent = `${model.get("accuracy")} The fastest pass through all layers so far took ${format(fastest, 1)} ms.`;
      const codes = layers.at(-1).codes;
      if (codes) code.paint(codes.subarray(84 * order[0], 84 * order[0] + 84), [-1, 1], `Code of ${classes[order[0]]}`);
    }

    function point(spot) {
      chosen = spot;
      sheets.forEach(({ view }, i) => view.mark(spot?.sheet === i ? spot : null));
      if (!spot) return;
      const { sheet: number, map, row, column } = spot;
      const { name, size, jump, wires, side: own, from } = layers[number - 1];
      sheets[0].view.mark({ map: 0, row: row * jump, column: column * jump }, size);
      const value = format(shown[number][(map * own + row) * own + column], 4);
      const read = wires?.filter(([, target]) => target === map).map(([source]) => source).sort((a, b) => a - b);
      const reads = read && from.maps > 1 ? `; of ${from.name} it reads maps ${read.join(", ")}` : "";
      const span = (start) => `${start * jump} to ${start * jump + size - 1}`;
      const seen = `It sees rows ${span(row)} and columns ${span(column)}`;
      pointed.say(`${name}, map ${map}, row ${row}, column ${column}: ${value}. ${seen}${reads}.`);
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
    const clear = (sample = null) => {
      strokes.length = 0;
      Object.assign(state, { sample, right: 0, down: 0 });
      [right, down].forEach((each) => each.set(0));
    };
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
    const views = [{ name: "What the network sees", maps: 1, side, squash: "relu" }, ...plan.slice(0, -1)];
    const sheets = views.map((layer, i) => {
      const picture = byDistance && layer.maps === 84;
      const columns = picture ? 7 : layer.side === 1 ? 30 : Math.min(layer.maps, layer.maps % 6 ? 8 : 6);
      const shape = layer.side > 1 ? `${layer.side} × ${layer.side}` : "values";
      const caption = i ? `${layer.name}: ${layer.maps} ${layer.side > 1 ? "maps of " : ""}${shape}` : `${layer.name}, ${shape}`;
      const onChoose = i && layer.side > 1 ? (spot) => point({ ...spot, sheet: i }) : null;
      const view = sheet({ label: caption, ...layer, columns, onChoose });
      const limits = { scaled_tanh: () => [-1.7159, 1.7159], tanh: () => [-1, 1] }[layer.squash] ?? ((values) => [Math.min(0, ...values), Math.max(...values)]);
      return { view, picture, caption, limits: i ? limits : () => [0, 255] };
    });
    const code = sheet({ label: "Nearest code", maps: 84, side: 1, columns: 7 });
    const bars = draw("svg", { role: "img", "aria-label": "Scores of the digits", viewBox: "0 0 400 222" });
    const [spoken, pointed, took] = [status(), status(), create("p", { class: "cb-hint" })];
    const pictures = sheets.filter((each) => each.picture).flatMap((each) => [each.view.element, code.element]);
    el.classList.add("cb-lenet");
    el.append(
      create("div", { class: "cb-controls" }, row("Scans that it was not trained on", false),
        ...(samples.some((each) => each.extra) ? [row("Scans that it misreads", true)] : [])),
      create("div", { class: "cb-pair" },
        create("figure", { class: "cb-field" }, create("figcaption", {}, "Draw here, with mouse, finger or pen"), field.element,
          create("div", { class: "cb-buttons" }, button("Clear", () => clear()), undo)),
        sheets[0].view.element),
      create("p", { class: "cb-hint" }, "By keyboard: arrow keys move the cross, Space draws a line to it, Enter lifts the pen. Over a scan, ink falls where you draw it."),
      spoken.element,
      create("figure", {}, create("figcaption", {}, byDistance ? "Squared distance to each digit's code: the shortest wins" : "Probability of each digit"), bars),
      create("div", { class: "cb-controls" }, fitting.element),
      create("div", { class: "cb-controls" }, right.element, down.element),
      create("p", { class: "cb-hint" }, "Point at a map, or move over it by arrow keys, to see what one of its values sees."),
      pointed.element,
      ...sheets.slice(1).filter((each) => !each.picture).map((each) => each.view.element),
      create("div", { class: "cb-pair cb-drawn" }, ...pictures),
      took,
    );
    later();
  },
};
