// What squeeze-and-excitation adds to a network, stage by stage, for each reduction ratio.

export default {
  render({ model, el }) {
    const stages = model.get("stages"); // names
    const options = model.get("options"); // [{reduction, params: [a stage], macs: [a stage], printed: text or null}]
    const base = model.get("base"); // {name, params, macs}
    const state = { reduction: model.get("start"), quantity: "params" };
    const names = { params: "parameters", macs: "multiply-accumulates" };
    const sum = (values) => values.reduce((total, value) => total + value, 0);

    const ratio = choice({
      label: "Reduction ratio r", options: options.map((option) => option.reduction), value: state.reduction,
      onChange: (value) => { state.reduction = value; update(); },
    });
    const quantity = choice({
      label: "Bars show", options: Object.entries(names), value: state.quantity,
      onChange: (value) => { state.quantity = value; update(); },
    });
    const rowHeight = 44;
    const chart = draw("svg", { viewBox: `0 0 360 ${rowHeight * stages.length + 4}`, role: "img" });
    const bars = stages.map((stage, i) => {
      const bar = draw("rect", { class: "cb-moves", x: 0, y: i * rowHeight + 18, height: 18, width: 0, style: "fill: var(--accent)" });
      const words = draw("text", { x: 360, y: i * rowHeight + 12, "text-anchor": "end" });
      chart.append(draw("text", { x: 0, y: i * rowHeight + 12 }, stage), words, bar);
      return { bar, words };
    });
    const counts = facts();
    const spoken = status();

    function update() {
      const option = options.find((candidate) => candidate.reduction === state.reduction);
      const added = option[state.quantity];
      const total = sum(added);
      const largest = Math.max(...options.flatMap((candidate) => candidate[state.quantity])); // one scale for all r
      bars.forEach(({ bar, words }, i) => {
        bar.setAttribute("width", Math.max(1, (360 * added[i]) / largest));
        words.textContent = `${format(added[i])} (${format((100 * added[i]) / total)} %)`;
      });
      const unit = names[state.quantity];
      chart.setAttribute("aria-label", `Added ${unit}: ` + stages.map((stage, i) => `${stage} ${format(added[i])}`).join(", "));
      const [params, macs] = [sum(option.params), sum(option.macs)];
      counts.update({
        "Added parameters": [format(params), `${format((100 * params) / base.params, 1)} % of ${base.name}'s`],
        "Added MACs": [format(macs), `${format((100 * macs) / base.macs, 2)} % of ${base.name}'s`],
        "Whole network": [format(base.params + params), option.printed ? `parameters; the paper prints ${option.printed}` : "parameters"],
      });
      spoken.say(`At r = ${state.reduction} the gates add ${format(params)} parameters and ${format(macs)} multiply-accumulates; the last stage holds ${format((100 * added.at(-1)) / total)} % of the added ${unit}.`);
    }

    el.append(create("div", { class: "cb-controls" }, ratio.element, quantity.element), chart, counts.element, spoken.element);
    update();
  },
};
