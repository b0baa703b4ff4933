// CBAM's spatial gate over an image: what it reads, what it says, and what the answer owes to it.

// Colours from closed (dark blue) to open (yellow), of growing lightness so that grey tells them apart too.
const RAMP = [[0, 32, 77], [60, 77, 110], [124, 123, 120], [187, 175, 113], [255, 234, 70]];

function ramp(share) {
  const at = Math.max(0, Math.min(1, share)) * (RAMP.length - 1);
  const i = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[i].map((low, k) => low + (at - i) * (RAMP[i + 1][k] - low));
}

/** A map with its values, where to point at it, and a frame around one position. */
function panel(caption, point) {
  const canvas = create("canvas", { role: "img" });
  const frame = create("div", { class: "cb-window" });
  const box = create("div", { class: "cb-picture" }, canvas, frame);
  const words = create("figcaption", {}, caption);
  const move = (event) => {
    const area = canvas.getBoundingClientRect();
    point((event.clientY - area.top) / area.height, (event.clientX - area.left) / area.width);
  };
  box.addEventListener("pointerdown", move);
  box.addEventListener("pointermove", (event) => (event.buttons || event.pointerType === "mouse") && move(event));
  return { canvas, box, frame, words, element: create("figure", {}, words, box) };
}

export default {
  render({ model, el }) {
    const [classes, gatings] = [model.get("classes"), model.get("gatings")];
    const layers = { gate: "gate", average: "mean over channels", maximum: "maximum over channels" };
    const pictures = model.get("pictures").map((picture) => ({
      ...picture,
      blocks: picture.blocks.map((block) => {
        const [height, width] = block.gate.shape;
        const values = Object.fromEntries(Object.keys(layers).map((key) => [key, unpack(block[key])]));
        return { ...block, height, width, values };
      }),
    }));
    const state = { picture: 0, block: 0, opacity: 60, threshold: 0, row: 8, column: 12, gating: gatings[0] };
    const block = () => pictures[state.picture].blocks[state.block];
    const options = (label, key, values) =>
      choice({ label, options: values, value: state[key], onChange: (value) => { state[key] = value; update(); } }).element;
    const range = (label, key, settings, then) =>
      slider({ label, min: 0, value: state[key], ...settings, onInput: (value) => { state[key] = value; then(); } });

    const point = (down, across) => {
      const { height, width } = block();
      state.row = Math.max(0, Math.min(height - 1, Math.floor(down * height)));
      state.column = Math.max(0, Math.min(width - 1, Math.floor(across * width)));
      rows.set(state.row);
      columns.set(state.column);
      tell();
    };
    const photo = create("img", { style: "width: 100%; image-rendering: pixelated; border-radius: 0" });
    const over = panel("", point);
    over.canvas.setAttribute("style", "position: absolute; inset: 0; height: 100%; border: 0");
    over.box.prepend(photo);
    const described = { average: panel("", point), maximum: panel("", point) };
    const opacity = range("Opacity of the map", "opacity", { max: 100, step: 5, text: (value) => `${value} %` }, () => update());
    const threshold = range("Show only where the gate is at least", "threshold", { max: 1, step: 0.01, text: (value) => value.toFixed(2) }, () => update());
    const rows = range("Row", "row", { max: 1 }, () => tell());
    const columns = range("Column", "column", { max: 1 }, () => tell());
    const legend = create("p", { style: "font-size: .85rem; color: var(--muted)" });
    const counts = facts();
    const chart = bars(classes, 40);
    const spoken = status();

    function update() {
      const shown = block();
      const { height, width, values, name } = shown;
      const picture = pictures[state.picture];
      photo.src = picture.src;
      photo.alt = picture.name;
      const [low, mean, high] = shown.range;
      paint(over.canvas, height, width, (i) => {
        const open = values.gate[i] >= state.threshold;
        return [...ramp((values.gate[i] - low) / (high - low || 1)), open ? 2.55 * state.opacity : 0];
      });
      over.words.textContent = `${picture.name}: gate of ${name}, ${height} × ${width} positions`;
      over.canvas.setAttribute("aria-label", `Gate of ${name} over ${picture.name}, from ${low.toFixed(3)} to ${high.toFixed(3)}`);
      for (const [key, { canvas, words }] of Object.entries(described)) {
        const least = Math.min(...values[key]);
        const most = Math.max(...values[key]);
        paint(canvas, height, width, (i) => Array(3).fill((255 * (values[key][i] - least)) / (most - least || 1)));
        canvas.style.aspectRatio = `${width} / ${height}`;
        words.textContent = `What it reads: ${layers[key]}, ${format(least, 2)} to ${format(most, 2)}`;
        canvas.setAttribute("aria-label", `${layers[key]} at each position, from ${format(least, 2)} to ${format(most, 2)}`);
      }
      const colour = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
      const strip = create("span", {
        style: `display: inline-block; width: 6rem; height: .7rem; margin: 0 .5rem; background: linear-gradient(to right, ${RAMP.map(colour)})`,
      });
      legend.replaceChildren(low.toFixed(3), strip, `${high.toFixed(3)} (mean ${mean.toFixed(3)})`);
      rows.set(state.row = Math.min(state.row, height - 1), height - 1);
      columns.set(state.column = Math.min(state.column, width - 1), width - 1);
      const now = shown.answers[state.gating];
      const trained = shown.answers[gatings[0]];
      chart.update(now, now.map((p) => p.toFixed(4)), {
        marks: trained, strong: now.indexOf(Math.max(...now)), what: `Probabilities, map ${state.gating}.`,
      });
      tell();
    }

    function tell() {
      const { height, width, values } = block();
      const i = state.row * width + state.column;
      for (const { frame } of [over, ...Object.values(described)]) {
        Object.assign(frame.style, {
          top: `${(100 * state.row) / height}%`, height: `${100 / height}%`,
          left: `${(100 * state.column) / width}%`, width: `${100 / width}%`,
        });
      }
      const open = values.gate.filter((gate) => gate >= state.threshold).length / values.gate.length;
      counts.update({
        "Gate here": [values.gate[i].toFixed(4), `row ${state.row}, column ${state.column}`],
        "Mean here": [format(values.average[i], 3), "over the channels"],
        "Maximum here": [format(values.maximum[i], 3), "over the channels"],
        "Shown": [`${format(100 * open, 1)} %`, `of the positions have ${state.threshold.toFixed(2)} or more`],
      });
      const now = block().answers[state.gating];
      const best = now.indexOf(Math.max(...now));
      spoken.say(
        `At row ${state.row}, column ${state.column} the gate is ${values.gate[i].toFixed(4)}. ` +
        `With this block's map ${state.gating} the network says ${classes[best]}, with ${now[best].toFixed(4)}.`,
      );
    }

    el.append(
      create("div", { class: "cb-controls" },
        options("Image", "picture", pictures.map((picture, i) => [i, picture.name])),
        options("Block", "block", pictures[0].blocks.map((each, i) => [i, each.name]))),
      over.element, legend,
      create("div", { class: "cb-controls" }, opacity.element, threshold.element, rows.element, columns.element),
      create("div", { class: "cb-pair", style: "flex-wrap: nowrap" }, ...Object.values(described).map((each) => each.element)),
      counts.element,
      create("div", { class: "cb-controls" }, options("This block's map", "gating", gatings)),
      create("figure", {},
        create("figcaption", {}, "Probability of each class; a stroke where the trained map puts it"), chart.element),
      spoken.element,
    );
    update();
  },
};
