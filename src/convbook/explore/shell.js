// Shared by all explorables: this file is put in front of each one's source, so it exports nothing.

/** An HTML element with attributes and children; text is never parsed as markup. */
function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** An SVG element with attributes and children. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const numberFormats = []; // by digits: making one takes far longer than using it

/** 117600 -> "117,600"; at most `digits` decimals, and a true minus sign. */
function format(number, digits = 0) {
  numberFormats[digits] ??= new Intl.NumberFormat("en-GB", { maximumFractionDigits: digits });
  return numberFormats[digits].format(number).replace("-", "−");
}

/** 25028904 -> "25.0 M": three digits and a unit. */
function compact(number) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(number) >= size) return `${Number(number / size).toPrecision(3)} ${unit}`;
  }
  return format(number, 2);
}

/** A labelled range input that shows its value; `set` moves it and its limit without calling back. */
function slider({ label, min, max, step = 1, value, text = String, onInput }) {
  const input = create("input", { type: "range", min, max, step, value });
  // The input tells its value itself; an <output> here would take the label away from it.
  const shown = create("b", { "aria-hidden": "true" });
  const update = () => {
    shown.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    update();
    onInput(Number(input.value));
  });
  update();
  return {
    element: create("label", { class: "cb-slider" }, create("span", {}, label, shown), input),
    set(next, limit = input.max) {
      input.max = limit;
      input.value = next;
      update();
    },
  };
}

let groups = 0;

/** A segmented control: a radio group, so that arrow keys work; options are values or [value, label]. */
function choice({ label, options, value, onChange }) {
  const name = `cb-${Math.random().toString(36).slice(2)}-${groups++}`;
  const segments = options.map((option) => {
    const [key, words] = Array.isArray(option) ? option : [option, String(option)];
    const input = create("input", { type: "radio", name, value: key });
    input.checked = key === value;
    input.addEventListener("change", () => onChange(key));
    return create("label", {}, input, words);
  });
  const row = create("div", { class: "cb-segments" }, ...segments);
  return { element: create("fieldset", {}, create("legend", {}, label), row) };
}

/** A list of named values; `update` takes {term: value} or {term: [value, remark]}. */
function facts() {
  const element = create("dl", { class: "cb-facts" });
  return {
    element,
    update(values) {
      const items = Object.entries(values).map(([term, value]) => {
        const [main, remark] = Array.isArray(value) ? value : [value];
        const dd = create("dd", {}, main);
        if (remark) dd.append(create("small", {}, remark));
        return create("div", {}, create("dt", {}, term), dd);
      });
      element.replaceChildren(...items);
    },
  };
}

/** A sentence that screen readers hear once the values have settled. */
function status() {
  const element = create("p", { class: "cb-status", role: "status", "aria-live": "polite" });
  let timer;
  return {
    element,
    say(sentence) {
      clearTimeout(timer);
      if (!element.textContent) element.textContent = sentence;
      else timer = setTimeout(() => (element.textContent = sentence), 200);
    },
  };
}

/** Numbers that `pack` of packed.py wrote: a Float64Array. */
function unpack({ low, step, bits, codes }) {
  const bytes = Uint8Array.from(atob(codes), (character) => character.charCodeAt(0));
  return Float64Array.from(bits === 16 ? new Uint16Array(bytes.buffer) : bytes, (code) => low + step * code);
}

/** Paint a canvas of `height` x `width` pixels; `colour(i)` gives [red, green, blue] or [..., alpha]. */
function paint(canvas, height, width, colour) {
  [canvas.height, canvas.width] = [height, width];
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const [red, green, blue, alpha = 255] = colour(i);
    pixels.data.set([red, green, blue, alpha], 4 * i);
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** The distribution that logits give, at a temperature. */
function softmax(logits, temperature = 1) {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** One bar a name; `update` takes lengths and reference marks from 0 to 1 (or null), and words for each. */
function bars(first, room = 110) {
  const names = [...first];
  const [height, span] = [24, 285 - room];
  const element = draw("svg", { viewBox: `0 0 360 ${height * names.length}`, role: "img" });
  const rows = names.map((name, i) => {
    const y = i * height;
    const label = draw("text", { x: 0, y: y + 16 }, name);
    const bar = draw("rect", { x: room, y: y + 4, height: 16, width: 0 });
    const mark = draw("line", { y1: y + 1, y2: y + 23, style: "stroke: var(--fg); stroke-width: 2" });
    const words = draw("text", { x: 360, y: y + 16, "text-anchor": "end" });
    element.append(label, bar, mark, words);
    return { label, bar, mark, words };
  });
  return {
    element,
    rename: (next) => rows.forEach(({ label }, i) => (label.textContent = names[i] = next[i])),
    update(lengths, texts, { marks = [], strong = -1, what = "" } = {}) {
      rows.forEach(({ label, bar, mark, words }, i) => {
        bar.setAttribute("width", Math.max(0.5, span * lengths[i]));
        bar.style.fill = i === strong ? "var(--warm)" : "var(--accent)";
        label.style.fontWeight = i === strong ? 700 : 400;
        words.textContent = texts[i];
        const at = marks[i] ?? null;
        mark.style.visibility = at === null ? "hidden" : "visible";
        for (const x of ["x1", "x2"]) mark.setAttribute(x, room + span * (at ?? 0));
      });
      element.setAttribute("aria-label", `${what} ` + names.map((name, i) => `${name}: ${texts[i]}`).join(", "));
    },
  };
}

/** Ends a task, so that a long beginning leaves the browser time to answer its reader. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

/** The part of anywidget's model that an explorable needs, over plain data. */
function makeModel(state) {
  const listeners = new Map();
  const emit = (event) => (listeners.get(event) ?? []).forEach((listener) => listener());
  return {
    get: (key) => state[key],
    set(key, value) {
      state[key] = value;
      emit(`change:${key}`);
      emit("change");
    },
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
    off: (event, listener) =>
      listeners.set(event, (listeners.get(event) ?? []).filter((other) => listener && other !== listener)),
    save_changes() {}, // there is no kernel to tell
  };
}

/** A large piece of the data: in the page itself, or a file beside it that is fetched when first wanted. */
async function part(model, key) {
  const inline = model.get("parts");
  if (inline) return inline[key];
  const answer = await fetch(new URL(`${model.get("beside")}${key}.json`, document.baseURI));
  if (!answer.ok) throw new Error(`${key} could not be loaded (${answer.status})`);
  return answer.json();
}

/** Bring every copy of an output to life, once, when it is near; the fallback stays if that fails. */
function mount(id, explorable) {
  for (const host of document.querySelectorAll(`[data-explore="${id}"]:not([data-ready])`)) {
    host.dataset.ready = "";
    whenNear(host, () => {
      const fallback = host.querySelector(".cb-fallback");
      const state = JSON.parse(host.querySelector('script[type="application/json"]').textContent);
      const el = create("div", { class: "cb-live" });
      fallback.before(el);
      explorable.render({ model: makeModel(state), el, fallback });
      fallback.hidden = true;
    });
  }
}

/** Begin once: half a window's height away, or as soon as the page is gone through by keyboard. */
function whenNear(element, begin) {
  const keys = (event) => event.key === "Tab" && start();
  const watch = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && start(), {
    rootMargin: "50% 0px",
  });
  const start = () => {
    watch.disconnect();
    removeEventListener("keydown", keys);
    begin();
  };
  watch.observe(element);
  addEventListener("keydown", keys);
}
