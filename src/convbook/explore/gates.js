// The gates of a trained network's last block, moved by hand; what lies behind them is computed here.

export default {
  render({ model, el }) {
    const [classes, weight, bias, mean] = ["classes", "weight", "bias", "mean"].map((key) => model.get(key));
    const images = model.get("images").map((image) => {
      const [channels, height, width] = image.branch.shape;
      return { ...image, channels, height, width, branch: unpack(image.branch), shortcut: unpack(image.shortcut) };
    });
    const presets = {
      own: ["its own", (image) => image.gates],
      mean: ["mean over images", () => mean],
      one: ["all 1", () => mean.map(() => 1)],
      inverted: ["inverted, 1 − g", (image) => image.gates.map((gate) => 1 - gate)],
      zero: ["all 0", () => mean.map(() => 0)],
    };
    const state = { image: images[0], channel: 0, preset: "own", gates: [...images[0].gates] };

    /** Element i of the block's output. */
    const output = (image, i, gate) => Math.max(0, image.branch[i] * gate + image.shortcut[i]);

    function probabilities(image, gates) {
      const area = image.height * image.width;
      const means = gates.map((gate, channel) => {
        let sum = 0;
        for (let i = channel * area; i < (channel + 1) * area; i++) sum += output(image, i, gate);
        return sum / area;
      });
      return softmax(weight.map((row, k) => row.reduce((sum, w, channel) => sum + w * means[channel], bias[k])));
    }

    // Begin where the image's own gates matter most, and with the channel whose closing changes most.
    const right = (image, gates) => probabilities(image, gates)[image.label];
    const first = images.map((image) => Math.abs(right(image, image.gates) - right(image, mean)));
    const start = first.indexOf(Math.max(...first));
    state.image = images[start];
    state.gates = [...images[start].gates];
    const shift = mean.map((_, channel) => {
      const closed = state.gates.map((each, c) => (c === channel ? 0 : each));
      return Math.abs(right(state.image, closed) - right(state.image, state.gates));
    });
    state.channel = shift.indexOf(Math.max(...shift));

    const label = (name) => create("canvas", { role: "img", "aria-label": name, style: "width: 2.6rem; border: 0" });
    const thumbnails = mean.map((_, channel) => label(`channel ${channel}`));
    const picked = mean.map((_, channel) => [channel, thumbnails[channel]]);
    const pictures = images.map((image, i) => [
      i, create("img", { src: image.src, alt: image.name, style: "width: 3.4rem; margin: .2rem 0" }),
    ]);
    const chooseImage = choice({
      label: "Image", options: pictures, value: start,
      onChange: (i) => { state.image = images[i]; usePreset(state.preset); },
    });
    const options = [...Object.entries(presets).map(([key, [words]]) => [key, words]), ["hand", "as I set them"]];
    const choosePreset = choice({ label: "All gates of this block", options, value: "own", onChange: usePreset });
    const chooseChannel = choice({
      label: "Channel (its map behind the gate)", options: picked, value: state.channel,
      onChange: (channel) => { state.channel = channel; update(); },
    });
    const gate = slider({
      label: "Gate of the chosen channel", min: 0, max: 1, step: 0.001, value: 0, text: (value) => value.toFixed(3),
      onInput: (value) => {
        state.gates[state.channel] = value;
        state.preset = "hand";
        choosePreset.element.querySelector('[value="hand"]').checked = true;
        update();
      },
    });

    function usePreset(key) {
      state.preset = key;
      if (key !== "hand") state.gates = [...presets[key][1](state.image)];
      update();
    }

    const figures = ["Before (grey: 0)", "Behind the gate", "Sum, ReLU (black: 0)"].map((caption) => {
      const canvas = create("canvas", { role: "img", "aria-label": caption });
      return { canvas, element: create("figure", {}, create("figcaption", {}, caption), canvas) };
    });
    const chart = bars(classes, 118);
    const counts = facts();
    const spoken = status();

    function update() {
      const { image, channel, gates } = state;
      const { height, width } = image;
      const area = height * width;
      const largest = image.branch.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
      const signed = (value) => Array(3).fill(127.5 * (1 + value / largest)); // mid-grey is zero
      thumbnails.forEach((canvas, c) => {
        paint(canvas, height, width, (i) => signed(gates[c] * image.branch[c * area + i]));
        canvas.setAttribute("aria-label", `channel ${c}, gate ${gates[c].toFixed(3)}`);
      });
      const at = channel * area;
      const [before, behind, sum] = figures.map((figure) => figure.canvas);
      paint(before, height, width, (i) => signed(image.branch[at + i]));
      paint(behind, height, width, (i) => signed(gates[channel] * image.branch[at + i]));
      const brightest = Math.max(1e-9, ...image.shortcut.map((_, i) => output(image, i, 1)));
      paint(sum, height, width, (i) => Array(3).fill((255 * output(image, at + i, gates[channel])) / brightest));
      gate.set(gates[channel]);

      const now = probabilities(image, gates);
      const own = probabilities(image, image.gates);
      const closed = probabilities(image, gates.map((each, c) => (c === channel ? 0 : each)));
      chart.update(now, now.map((p) => p.toFixed(4)), { marks: own, strong: image.label, what: "Probabilities." });
      const best = now.indexOf(Math.max(...now));
      const right = now[image.label];
      counts.update({
        "The network says": [classes[best], best === image.label ? "which is right" : `it is ${classes[image.label]}`],
        "Right class": [right.toFixed(4), `${own[image.label].toFixed(4)} with the image's own gates`],
        "Loss": [`${format(-Math.log(right), 4)} nats`, `${format(-Math.log(own[image.label]), 4)} with its own gates`],
        "Without this channel": [closed[image.label].toFixed(4), `right class, if channel ${channel} were closed`],
      });
      spoken.say(
        `Channel ${channel}: gate ${gates[channel].toFixed(3)}, its own is ${image.gates[channel].toFixed(3)}. ` +
        `The right class, ${classes[image.label]}, has ${right.toFixed(4)}.`,
      );
    }

    el.append(
      create("div", { class: "cb-controls" }, chooseImage.element, choosePreset.element, chooseChannel.element),
      gate.element,
      create("div", { class: "cb-pair", style: "flex-wrap: nowrap" }, ...figures.map((figure) => figure.element)),
      create("figure", {},
        create("figcaption", {}, "Probability of each class; the right one in orange, a stroke where its own gates put it"),
        chart.element),
      counts.element,
      spoken.element,
    );
    update();
  },
};
