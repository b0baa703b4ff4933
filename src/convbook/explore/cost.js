// Seven kinds of convolution at one setting: bars of what each part costs, and what an output value sees.

const QUANTITIES = { params: "parameters", macs: "MACs" };

const REMARKS = {
  Standard: "Every output value reads all channels of its window.",
  Grouped: "Channels of different groups never meet, however many such layers follow one another.",
  Depthwise: "One filter a channel: as many channels go out as come in, and none sees another.",
  "Depthwise separable": "The filters look around, the 1×1 mixes channels.",
  Asymmetric: "A row, then a column: the window is complete after the second.",
  Bottleneck: "Narrow first: the expensive kernel meets a quarter of the channels.",
  "Shuffled groups": "The shuffle hands each group of the last layer channels from the groups of the first.",
};

const percent = (part, whole) => `${format((100 * part) / whole, 1)} %`;
const fill = (layer) => `fill: var(${layer.kernel.every((side) => side === 1) ? "--warm" : "--accent"})`;

/** Two lines of words and a bar of parts for each kind; a click chooses it. */
function barChart(names, onChoose) {
  const [width, height] = [360, 62];
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height * names.length}`, role: "img" });
  const rows = names.map((name, i) => {
    const row = draw("g", { transform: `translate(0 ${i * height})`, style: "cursor: pointer" });
    row.addEventListener("click", () => onChoose(name));
    return row;
  });
  svg.append(...rows);

  function drawRow(row, { name, chosen, layers, values, value, remark, memory }, standard, largest) {
    const text = (x, y, anchor, words, style = "") => draw("text", { x, y, "text-anchor": anchor, style }, words);
    let x = 0;
    const bar = values.map((part, i) => {
      const length = Math.max(part && 1, (width * part) / largest);
      const rect = draw("rect", { x, y: 19, width: Math.max(0, length - (length > 4 ? 1.5 : 0)), height: 14, style: fill(layers[i]) });
      x += length;
      return rect;
    });
    const strong = chosen ? "font-weight: 700" : "";
    row.replaceChildren(
      draw("rect", { x: 0, y: 0, width, height, style: "fill: transparent" }),
      text(0, 13, "start", (chosen ? "▸ " : "") + name, strong),
      text(width, 13, "end", `${format(value)} (${percent(value, standard)})`, strong),
      ...bar,
      text(0, 46, "start", remark, "font-size: 12px; fill: var(--muted)"),
      text(width, 46, "end", memory, "font-size: 12px; fill: var(--muted)"),
    );
  }

  return {
    svg,
    update(all, unit) {
      const largest = Math.max(...all.map((each) => each.value));
      all.forEach((each, i) => drawRow(rows[i], each, all[0].value, largest));
      svg.setAttribute("aria-label", `${unit}: ` + all.map((each) => `${each.name} ${format(each.value)} (${each.remark})`).join("; "));
    },
  };
}

/** Strips of channels from the input to the output, the seen ones filled, each with the window on its right. */
function drawTrace(svg, layers, levels, labels, side) {
  const widest = Math.max(...levels.map(({ seen }) => seen.length));
  const cell = 26 / side;
  const strip = ({ seen, window }, i) => {
    const [y, unit] = [i * 56 + 18, 290 / widest];
    const middle = (side - 1) / 2;
    const marks = runs(seen).map(([from, to]) =>
      draw("rect", { x: from * unit, y, width: Math.max(1.5, (to - from) * unit), height: 14, style: "fill: var(--accent)" }));
    const positions = Array.from({ length: side * side }, (_, at) => {
      const [row, column] = [Math.floor(at / side), at % side];
      const inside = Math.abs(row - middle) <= (window[0] - 1) / 2 && Math.abs(column - middle) <= (window[1] - 1) / 2;
      const style = `fill: var(${inside ? "--accent" : "--soft"}); stroke: var(--line); stroke-width: .5`;
      return draw("rect", { x: 330 + column * cell, y: y - 8 + row * cell, width: cell, height: cell, style });
    });
    const count = seen.filter(Boolean).length;
    const words = `${i ? (i === layers.length ? "Output" : "Between") : "Input"}: ${count} of ${seen.length} channels, ${window.join(" × ")}`;
    return [
      draw("text", { x: 0, y: y - 5 }, words),
      draw("rect", { x: 0, y, width: seen.length * unit, height: 14, style: "fill: var(--soft); stroke: var(--control)" }),
      ...marks,
      ...positions,
      ...(i < layers.length ? [draw("text", { x: 8, y: y + 28, style: "font-size: 12px; fill: var(--muted)" }, `↓ ${labels[i]}`)] : []),
    ];
  };
  svg.setAttribute("viewBox", `0 0 360 ${levels.length * 56 - 16}`);
  svg.replaceChildren(...levels.flatMap(strip));
}

/** [from, to) of every stretch of true values. */
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (!value) return;
    if (values[i - 1]) found.at(-1)[1] = i + 1;
    else found.push([i, i + 1]);
  });
  return found;
}

export default {
  render({ model, el }) {
    const choices = model.get("choices"); // {channels, resolution, k, groups, stride}: what can be chosen
    const narrowing = model.get("narrowing");
    const state = { ...model.get("start"), quantity: "macs", design: "Depthwise separable", channel: 1 };
    const names = Object.keys(designs(state, narrowing));

    const set = (key) => (value) => { state[key] = value; update(); };
    const among = (label, key, values) =>
      slider({ label, min: 0, max: values.length - 1, value: values.indexOf(state[key]), text: (i) => format(values[i]), onInput: (i) => set(key)(values[i]) }).element;
    const option = (label, key, options) => choice({ label, options, value: state[key], onChange: set(key) }).element;
    const closer = option("Look closer at", "design", names);
    const channel = slider({ label: "Output channel", min: 1, max: state.outputs, value: 1, onInput: set("channel") });
    const bars = barChart(names, (name) => {
      closer.querySelectorAll("input")[names.indexOf(name)].click();
    });
    const sees = draw("svg", { role: "img" });
    const seesWords = create("figcaption");
    const counts = facts();
    const spoken = status();

    function update() {
      const all = designs(state, narrowing);
      bars.update(names.map((name) => describe(name, all[name])), QUANTITIES[state.quantity]);
      showDesign(all[state.design], blockCosts(all.Standard, state.resolution));
    }

    function describe(name, layers) {
      const values = layerCosts(layers, state.resolution).map((part) => part[state.quantity]);
      const value = sum(values);
      const shares = layers.flatMap((layer, i) => (layer.shuffles ? [] : [`${layer.kernel.join("×")} ${percent(values[i], value)}`]));
      const kept = layers.at(-1).outputs === state.outputs ? "" : `, ${layers.at(-1).outputs} channels out`;
      const memory = `${compact(blockCosts(layers, state.resolution).bytes)}B written`;
      const remark = layers.length > 1 ? shares.join(" + ") : layers[0].name + kept;
      return { name, chosen: name === state.design, layers, values, value, remark, memory };
    }

    function showDesign(layers, standard) {
      const total = blockCosts(layers, state.resolution);
      const parts = layerCosts(layers, state.resolution);
      const last = layers.at(-1).outputs;
      state.channel = Math.min(state.channel, last);
      channel.set(state.channel, last);
      const levels = traceBack(layers, state.channel - 1);
      const labels = layers.map((layer, i) =>
        (layer.shuffles ? "shuffle: no weights" : `${layer.name}: ${format(parts[i].params)} weights, ${compact(parts[i].macs)} MACs`));
      drawTrace(sees, layers, levels, labels, state.k);
      const [seen, window] = [levels[0].seen.filter(Boolean).length, levels[0].window.join(" × ")];
      const view = `${format(seen)} of ${format(state.inputs)} input channels at ${window} positions`;
      sees.setAttribute("aria-label", `From output channel ${state.channel} back to the input: ` +
        levels.map((level) => `${level.seen.filter(Boolean).length} of ${level.seen.length} channels, ${level.window.join(" by ")}`).reverse().join("; "));
      seesWords.textContent = `What one value of output channel ${state.channel} depends on. ${REMARKS[state.design]}`;
      counts.update({
        Parameters: [format(total.params), `${percent(total.params, standard.params)} of standard's`],
        "Multiply-accumulates": [format(total.macs), `${percent(total.macs, standard.macs)} of standard's`],
        "Activations written": [`${format(total.bytes)} bytes`, `${percent(total.bytes, standard.bytes)} of standard's`],
      });
      spoken.say(`${state.design}: ${format(total.params)} parameters, ${format(total.macs)} multiply-accumulates; an output value sees ${view}.`);
    }

    el.append(
      create("div", { class: "cb-controls" },
        among("Input channels", "inputs", choices.channels),
        among("Output channels", "outputs", choices.channels),
        among("Height and width", "resolution", choices.resolution)),
      create("div", { class: "cb-controls" },
        option("Kernel size", "k", choices.k.map((k) => [k, `${k}×${k}`])),
        option("Groups", "groups", choices.groups),
        option("Stride", "stride", choices.stride),
        option("Bars show", "quantity", Object.entries(QUANTITIES))),
      create("figure", {},
        create("figcaption", {}, "Blue parts look around, orange ones (1×1) only mix channels. In brackets: share of the standard convolution's."),
        bars.svg),
      create("div", { class: "cb-controls" }, closer, channel.element),
      create("figure", {}, seesWords, sees),
      counts.element,
      spoken.element,
    );
    update();
  },
};
