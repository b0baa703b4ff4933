// MobileNet's two knobs: width (alpha) and resolution, against parameters, MACs and the paper's accuracy.

export default {
  render({ model, el }) {
    const table = model.get("table"); // [{alpha, resolution, params, macs, top1: number | null}]
    const values = (key) => [...new Set(table.map((row) => row[key]))].sort((a, b) => b - a);
    const [alphas, resolutions] = [values("alpha"), values("resolution")];
    const state = { alpha: alphas[0], resolution: resolutions[0] };
    const find = (alpha, resolution) => table.find((row) => row.alpha === alpha && row.resolution === resolution);
    const full = find(alphas[0], resolutions[0]);
    const measured = table.filter((row) => row.top1 !== null);

    const knob = (label, key, options, words) =>
      choice({ label, options: options.map((v) => [v, words(v)]), value: state[key], onChange: (v) => { state[key] = v; update(); } }).element;
    const [width, height, left, right, top, bottom] = [360, 246, 30, 8, 30, 40];
    const chart = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    const counts = facts();
    const spoken = status();

    const [low, high] = [Math.min(...table.map((row) => row.macs)) * 0.8, Math.max(...table.map((row) => row.macs)) * 1.25];
    const x = (macs) => left + (Math.log(macs / low) / Math.log(high / low)) * (width - left - right);
    const [least, most] = [
      Math.floor(Math.min(...measured.map((row) => row.top1)) / 5) * 5,
      Math.ceil(Math.max(...measured.map((row) => row.top1)) / 5) * 5,
    ];
    const y = (top1) => top + ((most - top1) / (most - least)) * (height - top - bottom);

    function drawChart(chosen) {
      const parts = [];
      for (let percent = least; percent <= most; percent += 5) {
        parts.push(
          draw("line", { x1: left, x2: width - right, y1: y(percent), y2: y(percent), style: "stroke: var(--line)" }),
          draw("text", { x: left - 6, y: y(percent) + 4, "text-anchor": "end" }, String(percent)),
        );
      }
      for (const macs of [1e7, 2e7, 5e7, 1e8, 2e8, 5e8].filter((m) => m >= low && m <= high)) {
        parts.push(
          draw("line", { x1: x(macs), x2: x(macs), y1: height - bottom, y2: height - bottom + 4, style: "stroke: var(--muted)" }),
          draw("text", { x: x(macs), y: height - bottom + 18, "text-anchor": "middle" }, format(macs / 1e6)),
        );
      }
      parts.push(
        draw("text", { x: (width + left) / 2, y: height - 4, "text-anchor": "middle" }, "million MACs (logarithmic)"),
        draw("text", { x: 0, y: 12 }, "top-1 accuracy (%), as published"),
      );
      const lines = [
        [measured.filter((row) => row.resolution === full.resolution), "--accent", "0"],
        [measured.filter((row) => row.alpha === full.alpha), "--warm", "5 4"],
      ];
      for (const [rows, color, dash] of lines) {
        const points = rows.sort((a, b) => a.macs - b.macs).map((row) => `${x(row.macs)},${y(row.top1)}`).join(" ");
        const style = `fill: none; stroke: var(${color}); stroke-width: 2; stroke-dasharray: ${dash}`;
        parts.push(draw("polyline", { points, style }));
      }
      for (const row of measured) {
        parts.push(draw("circle", { cx: x(row.macs), cy: y(row.top1), r: 4, style: "fill: var(--fg)" }));
      }
      const at = x(chosen.macs);
      if (chosen.top1 === null) {
        const style = "stroke: var(--plum); stroke-width: 3; stroke-dasharray: 2 3";
        parts.push(draw("line", { x1: at, x2: at, y1: top, y2: height - bottom, style }));
      } else {
        const style = "fill: none; stroke: var(--plum); stroke-width: 3";
        parts.push(draw("circle", { cx: at, cy: y(chosen.top1), r: 9, style }));
      }
      chart.replaceChildren(...parts);
      chart.setAttribute("aria-label", `Published accuracy against MACs for ${measured.length} networks; solid line: width, dashed line: resolution`);
    }

    function update() {
      const { alpha, resolution } = state;
      const row = find(alpha, resolution);
      const share = row.macs / full.macs;
      const rule = (alpha / full.alpha) ** 2 * (resolution / full.resolution) ** 2;
      const top1 = row.top1 === null ? "not published" : `${format(row.top1, 1)} %`;
      counts.update({
        Parameters: [format(row.params), `${format((100 * row.params) / full.params, 1)} % of the full network's`],
        "Multiply-accumulates": [format(row.macs), `${format(100 * share, 1)} % of the full network's`],
        "Rule of thumb α²ρ²": [`${format(100 * rule, 1)} %`, "what the MACs would shrink to"],
        "Top-1 accuracy (paper)": top1,
      });
      drawChart(row);
      spoken.say(`Width ${alpha}, ${resolution} pixels: ${format(row.params)} parameters, ${format(row.macs)} multiply-accumulates, accuracy ${top1}.`);
    }

    el.append(
      create("div", { class: "cb-controls" },
        knob("Width multiplier α", "alpha", alphas, (v) => v.toFixed(2)),
        knob("Resolution (pixels)", "resolution", resolutions, String)),
      chart,
      create("p", {}, "Solid line: width at full resolution. Dashed line: resolution at full width."),
      counts.element, spoken.element,
    );
    update();
  },
};
