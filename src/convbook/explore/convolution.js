// A window slides over an image: what a convolution computes, forwards or transposed, and what it costs.

export default {
  render({ model, el }) {
    const image = model.get("image");
    const names = Object.keys(CHANNELS);
    const maps = names.map((name) => CHANNELS[name](image));
    let state = {
      kernel: "vertical edge", k: 5, stride: 1, padding: 0, dilation: 1, outputPadding: 0, transposed: false,
      kernels: 6, channels: 1, groups: 1, group: 1, channel: 1, row: 12, column: 10,
    };
    let output; // the whole map; while it is being filled, `windows` counts those that have been at work
    let windows = Infinity;

    const read = () => maps.slice(((state.group - 1) * state.channels) / state.groups, (state.group * state.channels) / state.groups);
    const places = () => (state.transposed ? shape(image) : shape(output));
    const partial = () => Number.isFinite(windows);

    function change(update) {
      runner.stop();
      windows = Infinity;
      state = settle({ ...state, ...update });
      recompute();
    }
    function moveTo(row, column) {
      const [height, width] = places();
      const within = (at, length) => Math.max(0, Math.min(at, length - 1));
      Object.assign(state, { row: within(row, height), column: within(column, width) });
      showWindow();
    }
    function moveByHand(row, column) {
      runner.stop();
      windows = Infinity;
      moveTo(row, column);
    }
    /** One window on, after the last comes the first; the output shows what has been computed so far. */
    function next() {
      const [height, width] = places();
      const at = (state.row * width + state.column + 1) % (height * width);
      const last = at + 1 === height * width;
      windows = last ? Infinity : at + 1;
      moveTo(Math.floor(at / width), at % width);
      return !last;
    }
    /** Play fills a new output from its first value, and goes on with one that is half done. */
    function begin() {
      const [height, width] = places();
      if (!partial()) Object.assign(state, { row: height - 1, column: width - 1 });
    }

    const options = [];
    function option(label, key, values) {
      const { element } = choice({ label, options: values, value: state[key], onChange: (value) => change({ [key]: value }) });
      const note = create("p", { class: "cb-note" }, WHY_NOT[key] ?? WHY_NOT.other);
      element.append(note);
      const numbered = key === "group" || key === "channel"; // what is not there needs no explanation
      const sync = () => {
        const inputs = [...element.querySelectorAll("input")];
        inputs.forEach((input, i) => {
          const value = Array.isArray(values[i]) ? values[i][0] : values[i];
          input.checked = value === state[key];
          input.disabled = !possible(state, key, value, shape(image));
          if (numbered) input.parentElement.style.display = input.disabled ? "none" : "";
        });
        note.hidden = numbered || inputs.every((input) => !input.disabled);
        if (numbered) element.hidden = inputs.filter((input) => !input.disabled).length < 2;
        if (key === "outputPadding") element.hidden = !state.transposed;
      };
      options.push(sync);
      return element;
    }

    const toPlace = (at, offset) => Math.round((at + offset - (span(state) - 1) / 2) / state.stride);
    const inputs = maps.map(() =>
      picture((y, x) => (state.transposed ? moveByHand(y, x) : moveByHand(toPlace(y, 0), toPlace(x, 0)))));
    const result = picture((y, x) =>
      (state.transposed ? moveByHand(toPlace(y, state.padding), toPlace(x, state.padding)) : moveByHand(y, x)));
    const inputGrid = create("div", { class: "cb-channels" }, ...inputs.map((each) => each.element));
    const [inputWords, outputWords, productWords] = [1, 2, 3].map(() => create("figcaption"));
    const rows = slider({ label: "Row of the window", min: 0, max: 1, value: 0, onInput: (row) => moveByHand(row, state.column) });
    const columns = slider({ label: "Column of the window", min: 0, max: 1, value: 0, onInput: (column) => moveByHand(state.row, column) });
    const kernels = slider({
      label: "Kernels (output channels)", min: 1, max: 16, value: 6, text: (value) => format(value * state.groups),
      onInput(value) { state.kernels = value * state.groups; showCounts(); },
    });
    const products = draw("svg", { role: "img" });
    const counts = facts();
    const spoken = status();
    const runner = player({
      begin,
      next,
      onChange() {
        spoken.element.setAttribute("aria-live", runner.playing() ? "off" : "polite");
        showWindow();
      },
    });

    function recompute() {
      output = convolve(read(), state);
      options.forEach((sync) => sync());
      paintInputs();
      showCounts();
      moveTo(state.row, state.column);
    }

    function paintInputs() {
      const { channels, groups, padding, transposed } = state;
      const border = transposed ? 0 : padding;
      const side = Array(border).fill(null);
      const frame = Array(border).fill(Array(image[0].length + 2 * border).fill(null));
      const size = shape(image).join(" × ");
      maps.forEach((map, i) => {
        inputs[i].element.hidden = i >= channels;
        inputs[i].paint([...frame, ...map.map((row) => [...side, ...row, ...side]), ...frame], 0, 255, `Input channel ${i + 1}: ${names[i]}, ${size}`);
      });
      inputGrid.classList.toggle("cb-several", channels > 1);
      const what = channels > 1 ? `Input, ${channels} × ${size}` : `Image, ${size}`;
      const around = border ? `, and ${border} of zeros around (blue)` : "";
      const parted = groups > 1 ? `. Group ${state.group} does not read the pale ones` : "";
      inputWords.textContent = what + around + parted;
    }

    function paintOutput() {
      const values = output.flat();
      const done = partial() ? convolve(read(), state, windows) : output;
      const width = output[0].length;
      const shown = done.map((line, y) => line.map((value, x) => (state.transposed || y * width + x < windows ? value : null)));
      const where = state.outputPadding ? "above and on the left" : "on each side";
      const cut = state.transposed && state.padding ? `, ${state.padding} cut off ${where}` : "";
      const words = `Output, ${shape(output).join(" × ")}${cut}${partial() ? ", so far" : ""}`;
      result.paint(shown, Math.min(...values), Math.max(...values), words);
      outputWords.textContent = words;
      return done;
    }

    function showCounts() {
      const costs = layerCosts(state, shape(image));
      const how = formulas(state, shape(image), costs.size);
      kernels.set(state.kernels / state.groups, Math.floor(16 / state.groups));
      counts.update({
        "Output size": [[state.kernels, ...costs.size].join(" × "), how.length],
        Parameters: [format(costs.parameters), how.parameters],
        "Multiply-accumulates": [format(costs.macs), how.macs],
      });
    }

    function showWindow() {
      const { row, column, stride, padding, dilation, transposed } = state;
      const [height, width] = places();
      rows.set(row, height - 1);
      columns.set(column, width - 1);
      const done = paintOutput();
      const shift = transposed ? 0 : padding; // the picture of the input begins with the zeros around it
      const taps = [];
      eachTap(state, row, column, (i, j, y, x) => taps.push([y + shift, x + shift]));
      const frame = [row * stride - padding + shift, column * stride - padding + shift, span(state), dilation > 1 ? taps : []];
      const seen = read();
      inputs.forEach((each, i) => {
        if (transposed) each.mark(row, column, 1);
        else each.mark(...frame);
        each.fade(!seen.includes(maps[i]));
      });
      if (transposed) result.mark(...frame);
      else result.mark(row, column, 1);
      showProducts(seen);
      const sentence = tellWindow(state, seen, done, partial());
      if (runner.playing()) spoken.element.textContent = sentence;
      else spoken.say(sentence);
    }

    function showProducts(seen) {
      const { k, row, column, transposed, channel, channels } = state;
      const map = seen[channel - 1];
      const { name, weights } = kernelSlice(state, channel - 1);
      const cells = blank(k, k, null);
      let sum = 0;
      eachTap(state, row, column, (i, j, y, x) => {
        const pixel = transposed ? map[row][column] : (map[y]?.[x] ?? 0);
        const product = pixel * weights[i][j];
        const words = name === "mean" ? `/${k * k}` : `×${format(weights[i][j])}`;
        sum += product;
        cells[i][j] = { pixel, number: transposed ? product : pixel, weight: words };
      });
      const at = maps.indexOf(map);
      const of = channels > 1 ? `channel ${at + 1} (${names[at]})` : "the image";
      const which = channels > 1 ? ` of its own (${name}): they add up to ${format(sum, 2)}` : "";
      productWords.textContent = transposed
        ? `What is added to the output under the stamp: ${map[row][column]}, from ${of}, times each weight`
        : `Pixels of ${of} under the window, and their weights${which}`;
      drawProducts(products, cells, productWords.textContent);
    }

    el.append(
      create("div", { class: "cb-controls" },
        option("Kernel", "kernel", Object.keys(KERNELS)),
        option("Kernel size", "k", [1, 2, 3, 4, 5, 7].map((k) => [k, `${k}×${k}`])),
        option("Stride", "stride", [1, 2, 3, 4]),
        option("Padding", "padding", [0, 1, 2, 3])),
      create("details", {},
        create("summary", {}, "More: dilation, input channels, groups, transposed"),
        create("div", { class: "cb-controls" },
          option("Direction", "transposed", [[false, "convolution"], [true, "transposed"]]),
          option("Dilation", "dilation", [1, 2, 3]),
          option("Output padding", "outputPadding", [0, 1, 2, 3]),
          option("Input channels", "channels", [1, 2, 4]),
          option("Groups", "groups", [1, 2, 4]),
          option("Show a kernel of group", "group", [1, 2, 3, 4]))),
      create("div", { class: "cb-pair" }, create("figure", {}, inputWords, inputGrid), create("figure", {}, outputWords, result.element)),
      runner.element,
      create("div", { class: "cb-controls" }, rows.element, columns.element),
      create("div", { class: "cb-controls" }, option("Channel under the lens", "channel", [1, 2, 3, 4])),
      create("figure", {}, productWords, products),
      spoken.element,
      kernels.element,
      counts.element,
    );
    recompute();
  },
};
