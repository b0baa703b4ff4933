// Networks of the registry, one or two: drawn by stages, listed by layers, at several resolutions and widths.

const MEASURES = { params: "parameters", macs: "MACs", activations: "activation memory" };
const KEYS = Object.keys(MEASURES);

const at = (value, index) => (Array.isArray(value) ? value[index] : value);
const bytes = (scalars) => `${compact(4 * scalars)}B`;
const percent = (share) => `${format(100 * share, share > 0 && share < 0.1 ? 1 : 0)} %`;
const shown = (key, number) => (key === "activations" ? bytes(number) : format(number));

/** Reads a network's packed counts at one width and one resolution (indices w and r). */
function reader(packed, w, r) {
  const costs = new Map();
  const sizes = (grid) => {
    const side = packed.grids[grid][r]; // one number for a square map, 0 for a vector
    return Array.isArray(side) ? side : side ? [side, side] : [];
  };
  const positions = (grid) => sizes(grid).reduce((product, n) => product * n, 1);
  const side = (grid) => sizes(grid).join(" × ");
  const times = (cost, n) => Object.fromEntries(KEYS.map((key) => [key, cost[key] * n]));
  const sum = (parts) =>
    parts.map(([, place, n = 1]) => times(cost(place), n))
      .reduce((a, b) => Object.fromEntries(KEYS.map((key) => [key, a[key] + b[key]])), { params: 0, macs: 0, activations: 0 });
  function layer([kind, grid, channels, params, macs, activations]) {
    const [c, p] = [at(channels, w), at(params, w)];
    const place = w * packed.sides.length + r;
    if (macs) return { params: p, macs: macs[place], activations: activations[place] };
    const [, , calls, bias, share] = packed.kinds[kind];
    return { params: p, macs: share * (p - bias * c) * positions(grid), activations: calls * c * positions(grid) };
  }
  function cost(place) {
    const entry = packed.modules[place];
    if (!costs.has(place)) costs.set(place, typeof entry[0] === "string" ? sum(entry[1]) : layer(entry));
    return costs.get(place);
  }
  /** A module's words and parts. */
  function describe(place) {
    const entry = packed.modules[place];
    const block = typeof entry[0] === "string";
    const [grid, channels] = block ? entry.slice(2) : entry.slice(1);
    const c = at(channels, w);
    const [kind, detail] = block ? entry : packed.kinds[entry[0]];
    return { kind: block ? kind : `${kind} ${detail}`.trim(), parts: block ? entry[1] : [], output: c ? [format(c).replace(",", ""), side(grid)].filter(Boolean).join(" × ") : "" };
  }
  const inside = (place, found) => {
    const entry = packed.modules[place];
    if (typeof entry[0] === "string") entry[1].forEach(([, each]) => inside(each, found));
    else if (sizes(entry[1])[0] > 1) found.add(side(entry[1]));
    return found;
  };
  const stages = packed.stages.map((stage) => {
    const [pixels = 0] = stage.head ? [] : sizes(stage.grid);
    const within = new Set();
    stage.parts.forEach(([, place]) => inside(place, within));
    return { ...stage, pixels, channels: at(stage.channels, w), cost: sum(stage.parts), within,
      label: stage.head ? (stage.ran ? "head" : "not run") : side(stage.grid) };
  });
  return { stages, cost, describe, times, total: sum(packed.stages.flatMap((stage) => stage.parts)) };
}

/** "layer1.1 to layer1.2", or the first and the last of many. */
function named(parts) {
  const words = parts.map(([first, , , last]) => (last ? `${first} to ${last}` : first));
  return words.length > 3 ? `${parts[0][0]} … ${parts.at(-1)[3] ?? parts.at(-1)[0]}` : words.join(", ");
}

export default {
  render({ model, el }) {
    const networks = new Map(model.get("networks").map((row) => [row.name, row]));
    const beside = model.get("beside"); // only a page of the book has an address of its own
    const wanted = new URLSearchParams(beside ? location.search : "");
    const state = { measure: "macs" };
    const loaded = new Map();
    const spoken = status();
    const compared = create("div");
    const legend = create("p", { class: "cb-note" });
    const list = create("datalist", { id: `cb-${Math.random().toString(36).slice(2)}` },
      ...[...networks.values()].map((row) => create("option", { value: row.name }, `${row.family}, ${row.year}`)));
    const slots = model.get("shown").map((name, i) => makeSlot(i, networks.has(wanted.get("ab"[i])) ? wanted.get("ab"[i]) : name));

    function makeSlot(i, first) {
      const slot = { letter: "ab"[i], title: model.get("shown").length < 2 ? "Network" : ["First network", "Second network"][i], opened: new Set() };
      const input = create("input", { type: "text", list: list.id, autocomplete: "off", spellcheck: "false" });
      const [problem, about, knobs, figure, table] = [create("p", { class: "cb-problem", role: "alert" }), create("p", { class: "cb-note" }), create("div", { class: "cb-controls" }), create("figure"), create("div")];
      // An empty field offers all networks; the one that is shown waits behind it.
      input.addEventListener("focus", () => { input.placeholder = slot.name ?? ""; input.value = ""; });
      input.addEventListener("blur", () => { input.value ||= slot.name ?? ""; });
      input.addEventListener("change", () => input.value && slot.choose(input.value.trim()));
      slot.element = create("section", { "aria-label": slot.title },
        create("label", { class: "cb-find" }, `${slot.title} (type to search)`, input), problem, about, knobs, figure);
      Object.assign(slot, { input, about, knobs, figure, table });
      slot.choose = async (name, then = update) => {
        const turn = (slot.turn = (slot.turn ?? 0) + 1);
        problem.textContent = "";
        let failed = networks.has(name) ? "" : `No network here is called ${name}.`;
        if (!failed && !loaded.has(name)) {
          try {
            loaded.set(name, await part(model, name));
          } catch {
            failed = `${name} could not be loaded: choose it again to try once more.`;
          }
        }
        if (turn !== slot.turn) return; // another one was chosen meanwhile
        input.value = failed ? slot.name ?? "" : name;
        problem.textContent = failed;
        if (failed || slot.name === name) return;
        const packed = loaded.get(name);
        Object.assign(slot, { name, packed, w: packed.factors.indexOf(1), r: packed.sides.indexOf(packed.side) });
        slot.opened.clear();
        addKnobs(slot);
        if (beside) remember();
        then();
      };
      slot.start = first;
      return slot;
    }

    function remember() {
      const address = new URL(location.href);
      for (const slot of slots) if (slot.name) address.searchParams.set(slot.letter, slot.name);
      history.replaceState(history.state, "", address);
    }

    function addKnobs(slot) {
      const { packed } = slot;
      const knob = (key, label, options) => choice({ label, options, value: slot[key], onChange: (v) => { slot[key] = v; update(); } }).element;
      const resolution = packed.sides.length > 1
        ? knob("r", "Resolution (pixels)", packed.sides.map((side, i) => [i, String(side)]))
        : create("p", { class: "cb-note" }, `Resolution: it takes images of ${packed.side} × ${packed.side} only.`);
      const width = packed.argument
        ? knob("w", `Width (${packed.argument})`, packed.factors.map((factor, i) => [i, `× ${factor}`]))
        : create("p", { class: "cb-note" }, "Width: no one argument makes all of it wider.");
      slot.knobs.replaceChildren(resolution, width);
    }

    let latest; // of all updates: one that is still on its way stops for it
    const update = () => (latest = steps()).forEach((step) => step());
    async function begin() {
      await Promise.all(slots.map((slot) => slot.choose(slot.start, () => {})));
      const first = (latest = steps());
      for (const step of first) {
        await breath();
        if (latest === first) step();
      }
    }

    /** What draws everything anew, in the order from top to bottom. */
    function steps() {
      const ready = slots.filter((slot) => slot.packed);
      for (const slot of ready) slot.read = reader(slot.packed, slot.w, slot.r);
      const stages = ready.map((slot) => slot.read.stages);
      const scale = {
        tall: Math.max(...stages.flat().map((stage) => Math.sqrt(stage.pixels))),
        wide: Math.max(...stages.map((each) => each.reduce((total, stage) => total + Math.sqrt(stage.channels), 0))),
      };
      const explain = () => {
        legend.textContent = "Above each stage stand its channels (its width), below it the side of its maps (its height), both drawn by " +
          `their square roots${ready.length > 1 ? " and on one scale" : ""}. Bars: share of the ${MEASURES[state.measure]}. A click on a stage opens it in the table.`;
      };
      const each = (show) => ready.map((slot) => () => show(slot, scale));
      return [...each(drawStages), explain, () => compare(ready), ...each(listLayers)];
    }

    function tell(slot) {
      const row = networks.get(slot.name);
      const { packed, w, r } = slot;
      const words = [`${row.family}, ${row.year}; image ${row.size[0]} × ${packed.sides[r]} × ${packed.sides[r]}`];
      if (packed.argument) words.push(`${packed.argument} ${packed.values[w]}`);
      if (packed.exits > 1) words.push(`${packed.exits} classifiers, of which a forward pass runs the last: the others count in parameters only`);
      return `${words.join("; ")}.`;
    }

    function drawStages(slot, scale) {
      const { stages, total } = slot.read;
      const [width, high, bars] = [340, 96, 40];
      const gap = Math.min(16, 110 / stages.length);
      const room = (width - gap * stages.length - 4 * stages.length) / scale.wide;
      const middle = 16 + high / 2;
      const slots = stages.map((stage) => 4 + gap + room * Math.sqrt(stage.channels));
      const base = 16 + high + 34 + bars;
      const most = Math.max(...stages.map((stage) => stage.cost[state.measure])) || 1;
      const marks = [draw("line", { x1: 0, x2: slots.reduce((a, b) => a + b, 0), y1: middle, y2: middle, style: "stroke: var(--control); stroke-width: 1.5" })];
      let [x, free] = [0, -1];
      stages.forEach((stage, i) => {
        const tall = Math.max(5, (high * Math.sqrt(stage.pixels)) / scale.tall);
        const [wide, share] = [slots[i] - gap, stage.cost[state.measure] / (total[state.measure] || 1)];
        const bar = (bars * stage.cost[state.measure]) / most;
        const centre = x + gap / 2 + wide / 2;
        const group = draw("g", { class: "cb-stage" },
          draw("title", {}, `${stage.label}, ${format(stage.channels)} channels: ${percent(share)} of the ${MEASURES[state.measure]}`),
          draw("rect", { x, y: 0, width: slots[i], height: base, style: "fill: transparent" }),
          draw("rect", { x: x + gap / 2, y: middle - tall / 2, width: wide, height: tall, rx: 1, style: `fill: var(--accent); stroke: var(--fg)${stage.ran ? "" : "; stroke-dasharray: 3 2; fill-opacity: .2"}` }),
          draw("rect", { x: x + gap / 2, y: base - bar, width: wide, height: bar, style: "fill: var(--warm)" }));
        const label = (y, text) => group.append(draw("text", { x: centre, y, "text-anchor": "middle", class: "cb-small" }, text));
        if (centre - 12 > free) { // a label only where its neighbour leaves room
          label(middle - tall / 2 - 4, String(stage.channels || ""));
          label(16 + high + 12, stage.head ? stage.label : String(stage.pixels));
          label(base - bar - 3, percent(share));
          free = centre + 13;
        }
        group.addEventListener("click", () => toggle(slot, String(i), false));
        marks.push(group);
        x += slots[i];
      });
      const picture = draw("svg", { viewBox: `0 0 ${width} ${base + 2}`, role: "img" }, ...marks);
      const largest = stages.reduce((a, b) => (b.cost[state.measure] > a.cost[state.measure] ? b : a));
      picture.setAttribute("aria-label", `${slot.name}: ${stages.map((s) => `${s.label} with ${s.channels} channels`).join(", ")}. Most ${MEASURES[state.measure]}: ${largest.label}.`);
      slot.figure.replaceChildren(picture);
      slot.about.textContent = tell(slot);
    }

    function toggle(slot, key, keepFocus = true) {
      if (!slot.opened.delete(key)) slot.opened.add(key);
      listLayers(slot);
      if (keepFocus) slot.table.querySelector(`[data-key="${key}"]`).focus();
    }

    function listLayers(slot) {
      const { stages, cost, describe, times, total } = slot.read;
      const cells = (value) => KEYS.map((key) => create("td", { class: `cb-${key}${key === state.measure ? " cb-chosen" : ""}` }, shown(key, value[key])));
      const rows = [];
      function add({ key, depth, name, note, output, value, parts, n }) {
        const open = slot.opened.has(key);
        const head = create("th", { scope: "row", style: `padding-inline-start: ${0.4 + 0.9 * depth}rem` });
        if (parts.length) {
          const button = create("button", { type: "button", "aria-expanded": open, "data-key": key }, `${open ? "▾" : "▸"} ${name}`);
          button.addEventListener("click", () => toggle(slot, key));
          head.append(button);
        } else head.append(name);
        const words = [output, note].filter(Boolean).join("; ");
        if (words) head.append(create("small", {}, words));
        rows.push(create("tr", {}, head, ...cells(value)));
        if (open) parts.forEach((each, i) => addPart(each, `${key}-${i}`, depth + 1, n));
      }
      function addPart([first, place, times_ = 1, last], key, depth, n) {
        const { kind, parts, output } = describe(place);
        const copies = n * times_;
        add({ key, depth, name: last ? `${first} to ${last}` : first, note: kind + (copies > 1 ? `, sum of ${copies} alike` : ""),
          output, value: times(cost(place), copies), parts, n: copies });
      }
      stages.forEach((stage, i) => {
        // A stage's first layers still work at the size of the stage before: no news.
        const others = [...stage.within].filter((each) => !stage.head && each !== stage.label && each !== stages[i - 1]?.label);
        const output = stage.head ? format(stage.channels).replace(",", "") : `${stage.channels} × ${stage.label}`;
        // A stage that is one block opens on what is inside it.
        const only = stage.parts.length === 1 && stage.parts[0].length === 2 ? describe(stage.parts[0][1]).parts : [];
        add({ key: String(i), depth: 0, name: named(stage.parts), note: !stage.ran ? "not run by a forward pass" : others.length ? `inside also ${others.join(", ")}` : "",
          output: stage.ran ? output : "", value: stage.cost, parts: only.length ? only : stage.parts, n: 1 });
      });
      const heading = (words, classes = "") => create("th", { scope: "col", class: classes }, words);
      const headings = KEYS.map((key) => heading({ params: "Parameters", macs: "MACs", activations: "Activations" }[key], `cb-${key}${key === state.measure ? " cb-chosen" : ""}`));
      slot.table.replaceChildren(scrolled(`${slot.name}, layers`, create("table", { class: "cb-layers" },
        create("caption", {}, `${slot.name}: stages in the order of execution; open one to see its layers.`),
        create("thead", {}, create("tr", {}, heading("Stage or layer, and its output"), ...headings)),
        create("tbody", {}, ...rows),
        create("tfoot", {}, create("tr", {}, create("th", { scope: "row" }, "Total"), ...cells(total))))));
    }

    const scrolled = (label, table) => create("div", { class: "cb-scroll", role: "region", tabindex: 0, "aria-label": label }, table);

    function compare(ready) {
      const say = (slot) => `${slot.name}: ${format(slot.read.total.params)} parameters, ${format(slot.read.total.macs)} MACs, ${bytes(slot.read.total.activations)} of activations.`;
      spoken.say(ready.map(say).join(" "));
      if (ready.length < 2) return;
      const [a, b] = ready.map((slot) => slot.read);
      const change = (from, to) => (from ? `${to >= from ? "+" : ""}${format((100 * (to - from)) / from, 1)} %` : to ? "new" : "–");
      const row = (name, key, from, to) => create("tr", {}, create("th", { scope: "row" }, name), ...[shown(key, from), shown(key, to), change(from, to)].map((text) => create("td", {}, text)));
      const table = (caption, first, body) => scrolled(caption, create("table", {}, create("caption", {}, caption),
        create("thead", {}, create("tr", {}, ...[first, ready[0].name, ready[1].name, "Change"].map((text) => create("th", { scope: "col" }, text)))), create("tbody", {}, ...body)));
      const by = (read) => read.stages.reduce((map, stage) => map.set(stage.label, (map.get(stage.label) ?? 0) + stage.cost[state.measure]), new Map());
      const [left, right] = [by(a), by(b)];
      const labels = [...new Set([...left.keys(), ...right.keys()])].sort((p, q) => (parseInt(q) || 0) - (parseInt(p) || 0));
      compared.replaceChildren(
        table("From the first network to the second", "One image", KEYS.map((key) => row(MEASURES[key][0].toUpperCase() + MEASURES[key].slice(1), key, a.total[key], b.total[key]))),
        table(`${MEASURES[state.measure][0].toUpperCase() + MEASURES[state.measure].slice(1)} by the size of the stage's maps`, "Stages at",
          labels.map((label) => row(label, state.measure, left.get(label) ?? 0, right.get(label) ?? 0))));
    }

    const pairs = model.get("pairs").map((pair) => {
      const button = create("button", { type: "button" }, pair.join(" and "));
      button.addEventListener("click", () => pair.forEach((name, i) => slots[i].choose(name)));
      return button;
    });
    el.classList.add("cb-arch");
    el.append(
      list,
      ...(pairs.length ? [create("div", { class: "cb-pairs", role: "group", "aria-label": "Pairs to compare" }, ...pairs)] : []),
      create("div", { class: "cb-controls" }, choice({ label: "Show the share of", options: Object.entries(MEASURES), value: state.measure, onChange: (v) => { state.measure = v; update(); } }).element),
      spoken.element, ...slots.map((slot) => slot.element), legend, compared, ...slots.map((slot) => slot.table),
    );
    begin();
  },
};
