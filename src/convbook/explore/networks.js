// The map of networks: published error against year, parameters or MACs.

const DATA = { imagenet: "ImageNet", cifar10: "CIFAR-10" };
const SIZES = { params: "parameters", macs: "MACs" };
const ANY = "any";
const REACH = 32; // pixels from a disc within which a click or a tap still means it
const LETTER = 6.6; // pixels, about, of a label's letter
const COMMON = 0.8; // an idea in a larger share of the networks sifts nothing

/** Round numbers inside [low, high]: 1, 3, 10, 30, ... on a logarithmic axis, steps of 1, 2 or 5 otherwise. */
function ticks(low, high, log) {
  if (log) {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) found.push(10 ** e, 3 * 10 ** e);
    return found.filter((value) => value >= low && value <= high);
  }
  const rough = (high - low) / 6;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(unit * [1, 2, 5, 10].find((times) => times * unit >= rough), 1);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** Points that no other beats: none has a lower error at the same x or a smaller one. */
function frontier(points, x) {
  let best = Infinity;
  return [...points]
    .sort((a, b) => a[x] - b[x] || a.error - b.error)
    .filter((point) => point.error < best && ((best = point.error), true));
}

/** Where each point stands across: within a year from few parameters to many. */
function across(points, x) {
  if (x !== "year") return (point) => Math.log10(point[x]);
  const place = new Map();
  for (const year of new Set(points.map((point) => point.year))) {
    const same = points.filter((point) => point.year === year).sort((a, b) => a.params - b.params);
    same.forEach((point, i) => place.set(point, year + (0.7 * (i + 0.5)) / same.length - 0.35));
  }
  return (point) => place.get(point);
}

const meets = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** The first place beside, above or below a disc for a text of this width that meets nothing taken, or null. */
function room(disc, width, taken, frame, force) {
  const gap = disc.r + 5;
  // Below and to the left of a point on the line there is no other: the first three places are the best.
  const near = [
    [disc.x - gap - width, disc.y - 8], [disc.x - 6 - width, disc.y + gap - 4], [disc.x - width / 2, disc.y + gap],
    [disc.x + 6, disc.y - gap - 12], [disc.x + gap, disc.y - 8], [disc.x + gap, disc.y + 2],
    [disc.x - width / 2, disc.y - gap - 16],
  ];
  const far = [20, 40, 60, 80].flatMap((up) => near.flatMap(([x, y]) => [[x, y - up], [x, y + up]]));
  const boxes = [...near, ...(force ? far : [])].map(([left, top]) => [left, top, left + width, top + 16]);
  const inside = boxes.filter((box) => box[0] >= frame[0] && box[1] >= frame[1] && box[2] <= frame[2] && box[3] <= frame[3]);
  return inside.find((box) => !taken.some((other) => meets(box, other))) ?? (force ? inside[0] ?? boxes[0] : null);
}

export default {
  render({ model, el, fallback }) {
    const [all, papers, ideas, chapters] = ["points", "papers", "ideas", "chapters"].map((key) => model.get(key));
    const known = Object.keys(DATA).filter((data) => all.some((p) => p.data === data && p.error !== null));
    const state = { data: known[0], x: "params", area: "macs", idea: ANY, chosen: null };
    const unique = `cb-map-${Math.random().toString(36).slice(2)}`;
    let [points, shown, discs] = [[], [], []];

    const chart = draw("svg", { role: "listbox", tabindex: "0", class: "cb-chart" });
    const box = create("div", { class: "cb-map-chart" }, chart);
    const panel = create("div", { class: "cb-map-panel" });
    const sifter = create("div", {});
    const sign = create("p", { class: "cb-sign" });
    const spoken = status();
    const option = (label, key, options) =>
      choice({ label, options, value: state[key], onChange: (value) => { state[key] = value; reset(key); } }).element;

    function reset(key) {
      if (key === "data") {
        state.idea = ANY;
        state.chosen = null;
      }
      points = all.filter((point) => point.data === state.data && point.error !== null);
      if (key === "data") {
        const counts = Object.keys(ideas).map((idea) => [idea, points.filter((p) => p.ideas.includes(idea)).length]);
        const options = counts.filter(([, n]) => n && n < COMMON * points.length).map(([idea, n]) => [idea, `${ideas[idea].label} ${n}`]);
        sifter.replaceChildren(option("Built with", "idea", [[ANY, `anything ${points.length}`], ...options]));
      }
      shown = points.filter((point) => state.idea === ANY || point.ideas.includes(state.idea));
      if (!shown.includes(state.chosen)) {
        const told = shown.filter((point) => chapters[point.paper]);
        state.chosen = frontier(told.length ? told : shown, state.x).at(-1);
      }
      paint();
      describe();
    }

    function describe() {
      const best = shown.reduce((a, b) => (b.error < a.error ? b : a));
      const what = state.idea === ANY ? "" : ` built with: ${ideas[state.idea].label}`;
      sign.textContent = state.idea === ANY
        ? "Each disc is a network. The line joins those that no other beats with as little."
        : ideas[state.idea].sign;
      spoken.say(
        `${shown.length} of ${points.length} networks on ${DATA[state.data]}${what}. ` +
          `The lowest error is ${best.error} %, by ${best.name}.`);
    }

    function paint() {
      const width = Math.max(260, Math.round(box.clientWidth));
      const height = Math.round(Math.min(480, Math.max(310, 0.75 * width)));
      const [left, right, top, bottom] = [36, width - 8, 12, height - 40];
      const log = state.x !== "year";
      const at = across(points, state.x);
      const [xs, ys] = [points.map(at), points.map((point) => point.error)];
      const span = Math.max(...xs) - Math.min(...xs) || 1;
      const [x0, x1] = [Math.min(...xs) - 0.06 * span, Math.max(...xs) + 0.06 * span];
      const tall = Math.max(...ys) - Math.min(...ys) || 1;
      const [y0, y1] = [Math.min(...ys) - 0.1 * tall, Math.max(...ys) + 0.07 * tall];
      const px = (value) => left + ((value - x0) / (x1 - x0)) * (right - left);
      const py = (error) => bottom - ((error - y0) / (y1 - y0)) * (bottom - top);
      const largest = Math.max(...points.map((point) => point[state.area]));
      const radius = (point) => Math.max(3.5, (width < 500 ? 15 : 22) * Math.sqrt(point[state.area] / largest));
      discs = points.map((point) => ({ point, x: px(at(point)), y: py(point.error), r: radius(point) }));
      discs.sort((a, b) => b.r - a.r);

      const parts = [];
      for (const value of ticks(y0, y1)) {
        parts.push(
          draw("line", { x1: left, x2: right, y1: py(value), y2: py(value), class: "cb-grid" }),
          draw("text", { x: left - 6, y: py(value) + 4, "text-anchor": "end" }, String(value)));
      }
      for (const value of log ? ticks(10 ** x0, 10 ** x1, true) : ticks(x0, x1)) {
        const x = px(log ? Math.log10(value) : value);
        const word = log ? compact(value).replace(/\.0+ /, " ") : String(value);
        parts.push(
          draw("line", { x1: x, x2: x, y1: bottom, y2: bottom + 5, class: "cb-tick" }),
          draw("text", { x, y: bottom + 19, "text-anchor": "middle" }, word));
      }
      parts.push(
        draw("text", { x: left + 4, y: top + 4, class: "cb-quiet" }, "top-1 error, %"),
        draw("text", { x: right, y: bottom + 35, "text-anchor": "end", class: "cb-quiet" },
          log ? `${SIZES[state.x]}, logarithmic` : "year of publication"));

      const best = frontier(shown, state.x).map((point) => discs.find((disc) => disc.point === point));
      const steps = best.map((disc, i) => `${i ? "H" : "M"}${disc.x}${i ? "V" : ","}${disc.y}`).join("");
      parts.push(draw("path", { d: `${steps}H${right}`, class: "cb-frontier" }));
      const background = draw("g", { "aria-hidden": "true" }, ...parts);
      const options = discs.map(({ point, x, y, r }) => {
        const on = shown.includes(point);
        const kind = point === state.chosen ? "cb-on cb-chosen" : on ? "cb-on" : "cb-off";
        const circle = draw("circle", { cx: x, cy: y, r, class: best.some((d) => d.point === point) ? `${kind} cb-best` : kind });
        if (!on) return draw("g", { "aria-hidden": "true" }, circle);
        return draw("g", { role: "option", id: `${unique}-${point.name}`, "aria-label": words(point),
          "aria-selected": String(point === state.chosen) }, circle);
      });
      // Faint discs lie below the others, the chosen one on top.
      const depth = (node) => ["cb-off", "cb-on", "cb-chosen"].findLastIndex((name) => node.firstChild.classList.contains(name));
      options.sort((a, b) => depth(a) - depth(b));
      chart.replaceChildren(background, ...options, labels(best, [left, top + 8, right + 6, bottom]));
      chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
      chart.setAttribute("aria-activedescendant", `${unique}-${state.chosen.name}`);
      chart.setAttribute("aria-label",
        `${shown.length} networks by ${SIZES[state.x] ?? "year"} across and top-1 error on ${DATA[state.data]} up; ` +
          `the area of a disc shows ${SIZES[state.area]}. Arrow keys go from one to the next.`);
      tell(state.chosen);
    }

    /** Names of the chosen network and of those on the line, where there is room. */
    function labels(best, frame) {
      const chosen = discs.find((disc) => disc.point === state.chosen);
      const taken = discs.filter((disc) => shown.includes(disc.point)).map((disc) => {
        const r = disc.r + 1;
        return [disc.x - r, disc.y - r, disc.x + r, disc.y + r];
      });
      const texts = [chosen, ...best.filter((disc) => disc !== chosen).reverse()].map((disc) => {
        const width = disc.point.name.length * LETTER * (disc === chosen ? 1.1 : 1);
        const place = room(disc, width, taken, frame, disc === chosen);
        if (!place) return "";
        taken.push(place);
        const name = disc === chosen ? "cb-label cb-strong" : "cb-label";
        return draw("text", { x: place[0], y: place[1] + 12, textLength: width, class: name }, disc.point.name);
      });
      const [x, y] = taken[shown.length]; // the chosen one's, placed first
      const near = Math.max(x, Math.min(chosen.x, x + chosen.point.name.length * LETTER));
      const hair = draw("line", { x1: chosen.x, y1: chosen.y, x2: near, y2: y < chosen.y ? y + 14 : y + 2, class: "cb-tick" });
      return draw("g", { "aria-hidden": "true" }, hair, ...texts.filter(Boolean));
    }

    const words = (p) => `${p.name}, ${p.year}: ${p.error} %, ${compact(p.params)} parameters, ${compact(p.macs)} MACs`;

    /** What is known of one network, beside the map. */
    function tell(point) {
      const table = facts();
      const printed = point.printed_by === point.paper ? "" : `; printed by ${papers[point.printed_by]}`;
      table.update({
        [`Top-1 error, ${DATA[point.data]}`]: [`${point.error} %`, point.protocol + printed],
        Parameters: [compact(point.params), format(point.params)],
        MACs: [compact(point.macs), `${format(point.macs)} at ${point.size} × ${point.size}`],
      });
      const built = point.ideas.map((idea) => ideas[idea].label).join(", ");
      const chapter = chapters[point.paper];
      const link = chapter ? [create("p", {}, "Its chapter: ", create("a", { href: chapter.href }, chapter.title))] : [];
      panel.replaceChildren(
        create("p", { class: "cb-name" }, create("code", {}, point.name)),
        create("p", { class: "cb-quiet" }, papers[point.paper]),
        table.element,
        create("p", {}, `Built with: ${built}.`),
        ...link);
    }

    function choose(point) {
      state.chosen = point;
      paint();
    }

    function step(key) {
      const by = { ArrowLeft: state.x, ArrowRight: state.x, ArrowUp: "error", ArrowDown: "error", Home: state.x, End: state.x }[key];
      if (!by) return false;
      const row = [...shown].sort((a, b) => a[by] - b[by] || a.params - b.params || a.error - b.error);
      const now = row.indexOf(state.chosen);
      const next = { Home: 0, End: row.length - 1, ArrowRight: now + 1, ArrowUp: now + 1 }[key] ?? now - 1;
      choose(row[Math.max(0, Math.min(next, row.length - 1))]);
      return true;
    }

    function nearest(event) {
      const area = chart.getBoundingClientRect();
      const distance = (d) => Math.hypot(d.x - (event.clientX - area.left), d.y - (event.clientY - area.top)) - d.r / 2;
      const near = discs.filter((d) => shown.includes(d.point)).reduce((a, b) => (distance(b) < distance(a) ? b : a));
      return distance(near) < REACH ? near.point : null;
    }

    chart.addEventListener("keydown", (event) => step(event.key) && event.preventDefault());
    chart.addEventListener("click", (event) => {
      const point = nearest(event);
      if (point) choose(point);
    });
    chart.addEventListener("pointermove", (event) => {
      const point = event.pointerType === "mouse" && nearest(event);
      chart.style.cursor = point ? "pointer" : "default";
      for (const node of chart.querySelectorAll("[role=option]")) {
        node.classList.toggle("cb-near", Boolean(point) && node.id === `${unique}-${point.name}`);
      }
    });

    const sizes = Object.entries(SIZES);
    el.append(
      create("div", { class: "cb-controls cb-lines" },
        option("Error on", "data", known.map((data) => [data, DATA[data]])),
        option("Across", "x", [["year", "year"], ...sizes]),
        option("Area", "area", sizes)),
      create("div", { class: "cb-chips" }, sifter, sign),
      create("div", { class: "cb-map" }, box, panel),
      spoken.element);
    el.append(...(fallback?.querySelectorAll("details") ?? []));
    reset("data");
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (box.clientWidth !== width) paint();
      width = box.clientWidth;
    }).observe(box);
  },
};
