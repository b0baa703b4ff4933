// Layers are stacked on a photograph; a frame shows what one unit of the chosen layer can see of it.

const MOST = 24; // layers
const KINDS = { conv: "convolution", pool: "pooling" };
const FRESH = {
  conv: { name: "yours", kind: "conv", kernel: 3, stride: 1, padding: 1, dilation: 1 },
  pool: { name: "yours", kind: "pool", kernel: 2, stride: 2, padding: 0, dilation: 1 },
};

const reach = (layer) => (layer.kernel - 1) * layer.dilation;
const most = (layer) => Math.floor(reach(layer) / 2); // padding at which stride 1 keeps the size

/** For the image, then for each layer: side of the map, jump, and the pixels that unit 0 sees. */
function follow(layers, side) {
  const fields = [{ map: side, first: 0, last: 0, jump: 1 }];
  for (const layer of layers) {
    const { map, first, last, jump } = fields.at(-1);
    const { stride, padding } = layer;
    fields.push({
      map: map && Math.max(0, Math.floor((map + 2 * padding - reach(layer) - 1) / stride) + 1),
      first: first - padding * jump,
      last: last + (reach(layer) - padding) * jump,
      jump: jump * stride,
    });
  }
  return fields;
}

const sizeOf = ({ first, last }) => last - first + 1;

/** The unit of a map whose field has its middle nearest to a point of the image, along one axis. */
function nearest({ map, first, last, jump }, point) {
  return Math.max(0, Math.min(map - 1, Math.round((point - (first + last + 1) / 2) / jump)));
}

function words({ kind, kernel, stride, dilation }) {
  const extra = (stride > 1 ? `\u00a0/${stride}` : "") + (dilation > 1 ? `, dilation ${dilation}` : "");
  return `${kind === "pool" ? "pool" : "conv"} ${kernel}\u00a0×\u00a0${kernel}${extra}`;
}

function button(label, onClick) {
  const element = create("button", { type: "button" }, label);
  element.addEventListener("click", onClick);
  return element;
}

/** The address of a picture of so many pixels a side, painted by `paint(context)`. */
function painted(side, paint) {
  const canvas = create("canvas", { width: side, height: side });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  paint(context);
  return canvas.toDataURL();
}

/** The photograph with all that lies over it; `onPoint` gets a point in pixels of the image. */
function stage(address, onPoint) {
  const photo = draw("image", { x: 0, y: 0, preserveAspectRatio: "none", style: "image-rendering: pixelated" });
  const heat = draw("image", { x: 0, y: 0, preserveAspectRatio: "none" });
  const around = draw("rect", { style: "fill: var(--soft)" });
  const padding = draw("path", { style: "fill: var(--accent); fill-opacity: .25" });
  const edge = draw("rect", { x: 0, y: 0, style: "fill: none; stroke: var(--control); stroke-dasharray: 5 4; vector-effect: non-scaling-stroke" });
  const shade = draw("path", { "fill-rule": "evenodd", style: "fill: #000; fill-opacity: .55" });
  const inner = draw("path", { style: "fill: none; stroke: #fff; stroke-opacity: .6; stroke-width: 1; vector-effect: non-scaling-stroke" });
  const dots = draw("path", { style: "stroke: #ffd29a; stroke-width: 3; stroke-linecap: round; vector-effect: non-scaling-stroke" });
  const dark = draw("path", { style: "fill: none; stroke: #000; stroke-width: 5; vector-effect: non-scaling-stroke" });
  const frame = draw("path", { class: "cb-field", style: "fill: none; stroke: #ff9d2e; stroke-width: 3; vector-effect: non-scaling-stroke" });
  const svg = draw("svg", { role: "img", style: "overflow: hidden; cursor: crosshair; touch-action: manipulation" },
    around, padding, photo, shade, heat, edge, inner, dots, dark, frame);
  const box = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}z`;
  const square = ([x, y, length]) => box(x, y, length, length);
  const source = new Image();
  let side, margin;
  const repaint = () =>
    source.complete && photo.setAttribute("href", painted(side, (context) => context.drawImage(source, 0, 0, side, side)));
  source.addEventListener("load", repaint);
  source.src = address;
  const point = (event) => {
    const area = svg.getBoundingClientRect();
    const at = (length, whole) => (length / whole) * (side + 2 * margin) - margin;
    onPoint(at(event.clientX - area.left, area.width), at(event.clientY - area.top, area.height));
  };
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointermove", (event) => event.buttons && point(event));
  return {
    element: svg,
    /** Make room for an image of `nextSide` pixels and `nextMargin` around it. */
    fit(nextSide, nextMargin) {
      margin = nextMargin;
      const view = [-margin, -margin, nextSide + 2 * margin, nextSide + 2 * margin];
      svg.setAttribute("viewBox", view.join(" "));
      ["x", "y", "width", "height"].forEach((key, i) => around.setAttribute(key, view[i]));
      for (const element of [photo, heat, edge]) {
        element.setAttribute("width", nextSide);
        element.setAttribute("height", nextSide);
      }
      if (side === nextSide) return;
      side = nextSide;
      repaint();
    },
    /** Frames of the fields [x, y, side], the last one the unit's own; the middles of all units. */
    show(fields, middles) {
      const own = fields.length ? square(fields.at(-1)) : "";
      const [x, y, length] = fields.at(-1) ?? [0, 0, 0];
      const [left, top] = [Math.max(0, x), Math.max(0, y)];
      const hole = [Math.min(side, x + length) - left, Math.min(side, y + length) - top];
      shade.setAttribute("d", box(0, 0, side, side) + (Math.min(...hole) > 0 ? box(left, top, ...hole) : ""));
      padding.setAttribute("d", own);
      inner.setAttribute("d", fields.slice(0, -1).map(square).join(""));
      dark.setAttribute("d", own);
      frame.setAttribute("d", own);
      dots.setAttribute("d", middles.map(([x, y]) => `M${x} ${y}h0`).join(""));
    },
    warm(href) {
      heat.setAttribute("href", href);
      heat.style.display = href ? "" : "none";
      if (href) shade.setAttribute("d", box(0, 0, side, side));
    },
  };
}

/** Influence as an address: the stronger, the more orange. */
function glow(rows) {
  return painted(rows.length, (context) => {
    const pixels = context.createImageData(rows.length, rows.length);
    rows.flat().forEach((value, i) => pixels.data.set([255, 140, 0, value], 4 * i));
    context.putImageData(pixels, 0, 0);
  });
}

export default {
  render({ model, el }) {
    const presets = model.get("presets");
    const single = { name: "One layer", size: 32, layers: [FRESH.conv] };
    const state = { preset: null, layers: [], side: 0, at: 0, x: 0, y: 0 };
    let fields, timer;

    const picture = stage(model.get("photograph"), (x, y) => { Object.assign(state, { x, y }); show(); });
    const shown = facts();
    const spoken = status();
    const remark = create("p");
    const body = create("tbody");
    const starts = [...presets, single].map((preset) => button(preset.name, () => load(preset)));
    const depth = slider({ label: "Layer", min: 1, max: 1, value: 1, onInput: (value) => { stop(); state.at = value - 1; show(); } });
    const side = slider({
      label: "Side of the image", min: 32, max: 224, step: 32, value: 224, text: (value) => `${value} pixels`,
      onInput: (value) => { state.x *= value / state.side; state.y *= value / state.side; state.side = value; change(); },
    });
    const unit = (label, axis) => slider({
      label, min: 0, max: 0, value: 0,
      onInput: (value) => { state[axis] = middle(fields[state.at + 1], value); show(); },
    });
    const [row, column] = [unit("Row of the unit", "y"), unit("Column of the unit", "x")];
    const setting = (label, key, max, min = 1) => slider({ label, min, max, value: min, onInput: (value) => set(key, value) });
    const settings = {
      kernel: setting("Kernel", "kernel", 11), stride: setting("Stride", "stride", 4),
      dilation: setting("Dilation", "dilation", 16), padding: setting("Padding", "padding", 5, 0),
    };
    const edits = {
      conv: button("Add convolution", () => add(FRESH.conv)), pool: button("Add pooling", () => add(FRESH.pool)),
      up: button("Move up", () => move(-1)), down: button("Move down", () => move(1)),
      remove: button("Remove", () => { state.layers.splice(state.at, 1); state.at = Math.max(0, state.at - 1); change(); }),
    };
    const grow = button("Grow", play);
    const heading = create("b");
    const measured = create("input", { type: "checkbox" });
    const influence = create("label", { class: "cb-check" }, measured, " Show what the unit listens to: measured gradients");
    measured.addEventListener("change", () => {
      if (measured.checked) [state.at, state.x, state.y] = [state.layers.length - 1, state.side / 2, state.side / 2];
      show();
    });

    const middle = ({ first, last, jump }, number) => (first + last + 1) / 2 + number * jump;

    function load(preset) {
      stop();
      const layers = preset.layers.map((layer) => ({ ...layer }));
      Object.assign(state, { preset, layers, side: preset.size, x: preset.size / 2, y: preset.size / 2 });
      state.at = Math.floor(layers.length / 2);
      measured.checked = false;
      rebuild();
    }
    /** The stack is now the reader's own. */
    function change() {
      stop();
      state.preset = null;
      measured.checked = false;
      rebuild();
    }
    function add(layer) {
      state.layers.splice(state.at + 1, 0, { ...layer });
      state.at = Math.min(state.at + 1, state.layers.length - 1);
      change();
    }
    function move(by) {
      const [layer] = state.layers.splice(state.at, 1);
      state.at += by;
      state.layers.splice(state.at, 0, layer);
      change();
    }
    function set(key, value) {
      const layer = state.layers[state.at];
      const same = layer.padding === most(layer);
      layer[key] = value;
      if (key !== "padding") layer.padding = same ? most(layer) : Math.min(layer.padding, most(layer));
      change();
    }
    function stop() {
      clearInterval(timer);
      timer = undefined;
      grow.textContent = matchMedia("(prefers-reduced-motion: reduce)").matches ? "Next layer" : "Grow";
    }
    function play() {
      if (timer) return stop();
      const step = () => { state.at = (state.at + 1) % state.layers.length; show(); };
      if (state.layers.length) step();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return undefined;
      grow.textContent = "Pause";
      timer = setInterval(() => (state.at + 1 < state.layers.length && el.isConnected ? step() : stop()), 600);
      return undefined;
    }

    function rebuild() {
      fields = follow(state.layers, state.side);
      body.replaceChildren(...state.layers.map((layer, i) => {
        const { map, jump } = fields[i + 1];
        const field = sizeOf(fields[i + 1]);
        const pick = button(String(i + 1), () => { stop(); state.at = i; show(); });
        pick.setAttribute("aria-label", `Layer ${i + 1}`);
        const wide = field > state.side ? create("small", {}, " wider than the image") : "";
        return create("tr", {}, create("td", {}, pick), create("th", { scope: "row" }, words(layer), create("small", {}, layer.name)),
          create("td", {}, map ? `${map}²` : "none"), create("td", {}, format(jump)), create("td", {}, format(field), wide));
      }));
      starts.forEach((each) => each.setAttribute("aria-pressed", String(each.textContent === state.preset?.name)));
      side.set(state.side);
      influence.hidden = !state.preset?.influence;
      show();
    }

    function show() {
      const layer = state.layers[state.at];
      const here = fields[layer ? state.at + 1 : 0];
      const [r, c] = [nearest(here, state.y), nearest(here, state.x)];
      const last = Math.max(0, here.map - 1);
      depth.set(Math.max(1, Math.min(state.at + 1, state.layers.length)), Math.max(1, state.layers.length));
      row.set(r, last);
      column.set(c, last);
      [...body.rows].forEach((line, i) => line.querySelector("button").setAttribute("aria-pressed", String(i === state.at)));
      edits.up.disabled = state.at === 0;
      edits.down.disabled = state.at + 1 >= state.layers.length;
      edits.remove.disabled = state.layers.length < 2;
      edits.conv.disabled = edits.pool.disabled = state.layers.length >= MOST;
      heading.textContent = `Layer ${state.at + 1}, ${KINDS[layer.kind]}`;
      for (const [key, control] of Object.entries(settings)) control.set(layer[key], key === "padding" ? most(layer) : undefined);
      paint(here, r, c);
      explain(layer, fields[state.at], here, r, c);
    }

    function paint(here, r, c) {
      // Room for the field of a middle unit; those of units at the edge are cut.
      const [from, to] = [0, 1].map((end) => (end ? here.last : here.first) + nearest(here, state.side / 2) * here.jump);
      picture.fit(state.side, Math.min(Math.max(-from, to - state.side, state.side / 9), 0.6 * state.side) + 2);
      const centred = state.at === state.layers.length - 1 && 2 * r === here.map - 1 && r === c;
      if (!centred) measured.checked = false;
      const { map: rows, side: inner } = measured.checked ? state.preset.influence : {};
      if (!here.map) {
        picture.show([], []);
        return picture.warm("");
      }
      const place = (each, number) => each.first + number * each.jump;
      const [y, x] = [middle(here, r), middle(here, c)];
      const frames = fields.slice(1, state.at + 1).map((each) => [place(each, nearest(each, x)), place(each, nearest(each, y)), sizeOf(each)]);
      frames.push([place(here, c), place(here, r), sizeOf(here)]);
      const all = here.map <= 16 ? [...Array(here.map).keys()].map((number) => middle(here, number)) : [];
      if (rows) frames.splice(0, frames.length - 1, [x - inner / 2, y - inner / 2, inner]);
      picture.show(frames, rows ? [] : all.flatMap((down) => all.map((across) => [across, down])));
      return picture.warm(rows ? glow(rows) : "");
    }

    function explain(layer, before, here, r, c) {
      const [field, old] = [sizeOf(here), sizeOf(before)];
      const span = (number) => [here.first + number * here.jump, here.last + number * here.jump];
      const [rows, columns] = [span(r), span(c)];
      const inside = ([from, to]) => Math.max(0, Math.min(to, state.side - 1) - Math.max(from, 0) + 1);
      const covered = inside(rows) * inside(columns);
      const text = ([from, to]) => `${format(from)} to ${format(to)}`;
      shown.update({
        "Receptive field": [`${format(field)} pixels`, `${format(old)} + (${layer.kernel} − 1) · ${layer.dilation} · ${before.jump}`],
        Jump: [format(here.jump), `${before.jump} · stride ${layer.stride}`],
        Map: [here.map ? `${here.map} × ${here.map}` : "none", `⌊(${before.map} + 2·${layer.padding} − ${reach(layer)} − 1) / ${layer.stride}⌋ + 1`],
        "Of the image": [here.map ? `${format((100 * covered) / state.side ** 2, 1)} %` : "nothing",
          `${format((100 * (field ** 2 - covered)) / field ** 2, 1)} % of the field is padding, blue`],
        Rows: text(rows), Columns: text(columns),
      });
      const wide = fields.findIndex((each) => sizeOf(each) > state.side);
      const { influence: found } = state.preset ?? {};
      if (measured.checked) {
        remark.textContent = `Orange: mean absolute gradient over ${model.get("seeds")} random initialisations, no training, on this photograph. ` +
          `${format(100 * model.get("share"))} % of it lies in the inner square of ${found.side} pixels, ${format((100 * found.side ** 2) / Math.min(field, state.side) ** 2)} % of the field's area inside the image.`;
      } else {
        remark.textContent = wide < 0 ? "No field here is wider than the image." : `From layer ${wide} on the field is wider than the image.`;
      }
      if (!here.map) spoken.say(`Layer ${state.at + 1} has no output: its window is larger than what is left. Take a larger image or smaller strides.`);
      else spoken.say(`Unit (${r}, ${c}) of layer ${state.at + 1} sees ${field} × ${field} pixels; its neighbours' fields lie ${here.jump} ${here.jump === 1 ? "pixel" : "pixels"} further.`);
      picture.element.setAttribute("aria-label",
        `A photograph of a palace, ${state.side} pixels a side. ${here.map ? `Framed: rows ${text(rows)}, columns ${text(columns)}` : "Nothing is framed"}.`);
    }

    const heads = ["", "Layer", "Map", "Jump", "Field"].map((text) =>
      text ? create("th", { scope: "col" }, text) : create("td"));
    el.append(
      create("div", { class: "cb-buttons", role: "group", "aria-label": "Start from" }, create("span", {}, "Start from"), ...starts),
      create("div", { class: "cb-beside" },
        create("div", {}, picture.element, create("p", { class: "cb-credit" }, model.get("credit"))),
        create("div", {}, depth.element, create("div", { class: "cb-buttons" }, grow), row.element, column.element, side.element)),
      influence, spoken.element, shown.element, remark,
      create("fieldset", {}, create("legend", {}, heading),
        create("div", { class: "cb-controls" }, ...Object.values(settings).map((each) => each.element)),
        create("div", { class: "cb-buttons" }, ...Object.values(edits))),
      create("div", { class: "cb-scroll", role: "region", "aria-label": "All layers", tabindex: "0" },
        create("table", {}, create("thead", {}, create("tr", {}, ...heads)), body)),
    );
    load(presets.find((each) => each.name === model.get("start")));
  },
};
