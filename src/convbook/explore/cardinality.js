// One bottleneck of 256 channels, split into C groups of d channels: what each choice costs.

export default {
  render({ model, el }) {
    const channels = model.get("channels");
    const size = model.get("size");
    const options = model.get("options"); // [{cardinality, width, weights, macs, network_params, network_macs}]
    const reference = model.get("reference"); // the ordinary bottleneck
    const state = { c: 32, d: 4 };

    const layers = () => {
      const inner = state.c * state.d;
      return [channels * inner, 9 * inner * state.d, inner * channels];
    };
    const widest = (c) => Math.min(64, Math.floor(1024 / c));

    const cardinality = choice({
      label: "Cardinality C (groups)",
      options: options.map((option) => option.cardinality),
      value: state.c,
      onChange(c) {
        state.c = c;
        state.d = options.find((option) => option.cardinality === c).width;
        width.set(state.d, widest(c));
        update();
      },
    });
    const width = slider({
      label: "Width d of a group", min: 1, max: widest(state.c), value: state.d, text: (d) => `${d} channels`,
      onInput(d) { state.d = d; update(); },
    });
    const block = draw("svg", { viewBox: "0 0 360 222", role: "img" });
    const bar = draw("svg", { viewBox: "0 0 360 74", role: "img" });
    const counts = facts();
    const spoken = status();

    function drawBlock() {
      const { c, d } = state;
      const inner = c * d;
      const scale = 350 / Math.max(channels, inner);
      const [outer, middle] = [channels * scale, inner * scale];
      const [from, start] = [5 + (350 - outer) / 2, 5 + (350 - middle) / 2];
      const group = middle / c;
      const gap = Math.min(2, group / 4);
      const parts = [];
      const label = (y, words) => draw("text", { x: 180, y, "text-anchor": "middle", style: "paint-order: stroke; stroke: var(--bg); stroke-width: 3px" }, words);
      const band = (y, x, w, color) => draw("rect", { x, y, width: w, height: 12, style: `fill: var(${color})` });
      const fan = (y1, x1, w1, y2, x2, w2) =>
        draw("polygon", { points: `${x1},${y1} ${x1 + w1},${y1} ${x2 + w2},${y2} ${x2},${y2}`, style: "fill: var(--accent); opacity: .22" });
      parts.push(band(18, from, outer, "--accent"), fan(30, from, outer, 72, start, middle));
      for (let g = 0; g < c; g++) {
        const x = start + g * group;
        parts.push(
          band(72, x, group - gap, "--warm"),
          draw("rect", { x, y: 84, width: group - gap, height: 44, style: "fill: var(--warm); opacity: .3" }),
          band(128, x, group - gap, "--warm"),
        );
      }
      parts.push(fan(140, start, middle, 182, from, outer), band(182, from, outer, "--accent"));
      parts.push(
        label(12, `${channels} channels`),
        label(56, `1×1: ${format(layers()[0])} weights`),
        label(110, `3×3 in ${c} ${c === 1 ? "group" : "groups"}: ${format(layers()[1])} weights`),
        label(165, `1×1: ${format(layers()[2])} weights`),
        label(211, `${channels} channels`),
      );
      block.setAttribute("aria-label", `${channels} channels, narrowed to ${c} groups of ${d}, and widened to ${channels} again`);
      block.replaceChildren(...parts);
    }

    function drawBar(total) {
      const scale = 350 / Math.max(2 * reference.weights, total);
      let x = 5;
      const parts = layers().map((weights, i) => {
        const style = `fill: var(${["--accent", "--warm", "--accent"][i]})`;
        const part = draw("rect", { x, y: 24, width: weights * scale, height: 18, style });
        x += weights * scale;
        return part;
      });
      const at = 5 + reference.weights * scale;
      parts.push(
        draw("line", { x1: at, x2: at, y1: 16, y2: 50, style: "stroke: var(--fg); stroke-width: 2; stroke-dasharray: 4 3" }),
        draw("text", { x: at, y: 65, "text-anchor": "middle" }, `ResNet-50's block: ${format(reference.weights)}`),
        draw("text", { x: 5, y: 12 }, "Weights: 1×1, 3×3, 1×1"),
      );
      bar.setAttribute("aria-label", `${format(total)} weights against ${format(reference.weights)} in ResNet-50's block`);
      bar.replaceChildren(...parts);
    }

    function update() {
      const { c, d } = state;
      const total = layers().reduce((sum, weights) => sum + weights);
      const known = options.find((option) => option.cardinality === c && option.width === d);
      const cost = `${format((100 * total) / reference.weights, 1)} % of ResNet-50's`;
      counts.update({
        "Weights of the block": [format(total), cost],
        [`MACs at ${size} × ${size}`]: format(total * size * size),
        "Width of the 3×3 layer": [format(c * d), `${c} × ${d} channels`],
        "Whole network": known
          ? [`${format(known.network_params)}`, `parameters; ${compact(known.network_macs)} MACs`]
          : ["–", "counted for the widths that keep the cost"],
      });
      drawBlock();
      drawBar(total);
      spoken.say(`${c} ${c === 1 ? "group" : "groups"} of ${d}: ${format(total)} weights, ${cost} block; its 3×3 layer is ${format(c * d)} channels wide.`);
    }

    el.append(create("div", { class: "cb-controls" }, cardinality.element, width.element), block, bar, counts.element, spoken.element);
    update();
  },
};
