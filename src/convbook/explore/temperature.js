// A teacher's logits at any temperature: soft targets, what they hold, and the gradient that a student gets.

const SMALLEST = 1e-8; // where the logarithmic bars begin

/** 0.0312 -> "0.0312"; 0.00000312 -> "3.12 × 10⁻⁶". */
function chance(p) {
  if (p >= 1e-3 || p === 0) return p.toFixed(4);
  const [digits, exponent] = p.toExponential(2).split("e-");
  return `${digits} × 10⁻${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

const entropy = (shares) => shares.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);
const length = (vector) => Math.hypot(...vector);
const minus = (a, b) => a.map((value, i) => value - b[i]);

/** Lengths of the gradients by the student's logits: of the soft loss without and with T², of the hard loss. */
function pulls(student, teacher, label, T) {
  const bare = length(minus(softmax(student, T), softmax(teacher, T))) / T;
  const hard = length(softmax(student).map((q, i) => q - (i === label ? 1 : 0)));
  return { bare, scaled: bare * T * T, hard };
}

/** Curves over temperature, both axes logarithmic. */
function plane(temperatures, decades) {
  const [left, top, width, height] = [50, 8, 295, 150];
  const [first, last] = [temperatures[0], temperatures.at(-1)];
  const x = (T) => left + (width * Math.log(T / first)) / Math.log(last / first);
  const y = (value) => {
    const at = (Math.log10(Math.max(value, 1e-12)) - decades[0]) / (decades[1] - decades[0]);
    return top + height * (1 - Math.max(0, Math.min(1, at)));
  };
  const element = draw("svg", { viewBox: "0 0 360 192", role: "img" });
  for (let decade = decades[0]; decade <= decades[1]; decade++) {
    const at = y(10 ** decade);
    element.append(
      draw("line", { x1: left, x2: left + width, y1: at, y2: at, style: "stroke: var(--line)" }),
      draw("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, format(10 ** decade, 4)),
    );
  }
  for (const T of [0.5, 1, 2, 5, 10, 20]) {
    element.append(draw("text", { x: x(T), y: top + height + 16, "text-anchor": "middle" }, String(T)));
  }
  element.append(draw("text", { x: left + width / 2, y: top + height + 32, "text-anchor": "middle" }, "temperature T"));
  const now = draw("line", { y1: top, y2: top + height, style: "stroke: var(--fg); stroke-width: 1.5" });
  const styles = {
    scaled: "stroke: var(--accent)", bare: "stroke: var(--warm); stroke-dasharray: 7 4", hard: "stroke: var(--cool); stroke-dasharray: 2 3",
  };
  const lines = Object.fromEntries(
    Object.entries(styles).map(([key, style]) => [key, draw("polyline", { style: `${style}; fill: none; stroke-width: 2.5` })]),
  );
  element.append(...Object.values(lines), now);
  return {
    element,
    update(curves, T) {
      for (const [key, line] of Object.entries(lines)) {
        line.setAttribute("points", temperatures.map((each, i) => `${x(each)},${y(curves[i][key])}`).join(" "));
      }
      for (const end of ["x1", "x2"]) now.setAttribute(end, x(T));
    },
  };
}

export default {
  render({ model, el }) {
    const [classes, images, temperatures] = ["classes", "images", "temperatures"].map((key) => model.get(key));
    const students = Object.keys(images[0].students);
    const state = { image: 0, T: 1, scale: "linear", student: students.at(-1), soft: 0.5 };
    const set = (key) => (value) => { state[key] = value; update(); };

    const chooseImage = choice({
      label: "Image, not seen in training", value: 0, onChange: set("image"),
      options: images.map((image, i) => [
        i, create("img", { src: image.src, alt: image.name, style: "width: 3rem; margin: .2rem 0; image-rendering: pixelated" }),
      ]),
    });
    const heat = slider({
      label: "Temperature T", min: 0, max: temperatures.length - 1, value: temperatures.indexOf(1),
      text: (i) => String(temperatures[i]), onInput: (i) => { state.T = temperatures[i]; update(); },
    });
    const scale = choice({
      label: "Bars", options: ["linear", ["log", `logarithmic, from ${chance(SMALLEST)}`]], value: "linear", onChange: set("scale"),
    });
    const chooseStudent = choice({ label: "Student", options: students, value: state.student, onChange: set("student") });
    const weight = slider({
      label: "The teacher's weight in the loss", min: 0, max: 1, step: 0.05, value: state.soft,
      text: (value) => value.toFixed(2), onInput: set("soft"),
    });
    const chart = bars(classes, 95);
    const answer = facts();
    const alike = create("div", { style: "display: flex; flex-wrap: wrap; gap: .5rem" });
    const alikeWords = create("figcaption", {});
    const gradient = facts();
    const curve = plane(temperatures, [-4, 2]);
    const spoken = status();

    function update() {
      const image = images[state.image];
      const { logits, label, similar } = image;
      const { T, soft } = state;
      const shares = softmax(logits, T);
      const size = (p) => (state.scale === "linear" ? p : Math.max(0, 1 - Math.log(p || SMALLEST) / Math.log(SMALLEST)));
      chart.rename(classes.map((name, i) => `${name} (${format(logits[i], 1)})`));
      chart.update(shares.map(size), shares.map(chance), { strong: label, what: `Soft targets at temperature ${T}.` });
      const wrong = softmax(logits).map((p, i) => (i === label ? Infinity : p));
      const least = wrong.indexOf(Math.min(...wrong));
      const even = Math.log(classes.length);
      answer.update({
        Entropy: [`${format(entropy(shares), 4)} nats`, `even shares have ln ${classes.length} = ${format(even, 4)}`],
        "True class": [chance(shares[label]), `${classes[label]}, drawn in orange`],
        "Most similar wrong class": [chance(shares[similar]), `${classes[similar]}; at T = 1 ${chance(softmax(logits)[similar])}`],
        "It beats the least similar": [`${compact(shares[similar] / shares[least])} : 1`, `${classes[similar]} against ${classes[least]}`],
      });
      alikeWords.textContent = `Images of ${classes[similar]} that the teacher puts nearest to this one`;
      alike.replaceChildren(
        ...image.near.map((src, i) => create("img", { src, alt: `${classes[similar]}, example ${i + 1}`, style: "width: 4rem; image-rendering: pixelated" })),
      );
      const student = image.students[state.student];
      const { bare, scaled, hard } = pulls(student, logits, label, T);
      const part = (pull) => `${format((100 * soft * pull) / (soft * pull + (1 - soft) * hard || 1), 1)} %`;
      gradient.update({
        "Soft loss alone": [bare.toPrecision(4), "length of (q − p) / T"],
        "times T²": [scaled.toPrecision(4), `× ${format(T * T, 2)}`],
        "Loss of the label": [hard.toPrecision(4), "length of q − y at T = 1"],
        "Share of the teacher": [part(scaled), `${part(bare)} without T²`],
      });
      curve.update(temperatures.map((each) => pulls(student, logits, label, each)), T);
      curve.element.setAttribute(
        "aria-label",
        `Length of the gradient over temperature. At T = ${T}: with T squared ${scaled.toPrecision(3)}, without ${bare.toPrecision(3)}, label ${hard.toPrecision(3)}.`,
      );
      spoken.say(
        `At T = ${T} the true class, ${classes[label]}, has ${chance(shares[label])} and ${classes[similar]} has ${chance(shares[similar])}; the entropy is ${format(entropy(shares), 4)} nats.`,
      );
    }

    const key = (style, words) =>
      create("span", { style: "display: inline-block; margin-right: 1rem" },
        create("span", { style: `display: inline-block; width: 1.6rem; border-top: 3px ${style}; margin-right: .4rem; vertical-align: middle` }), words);
    el.append(
      create("div", { class: "cb-controls" }, chooseImage.element, heat.element, scale.element),
      create("figure", {}, create("figcaption", {}, "Class, its logit in brackets, and its share at this temperature"), chart.element),
      answer.element,
      create("figure", { style: "margin-bottom: .8rem" }, alikeWords, alike),
      create("p", { class: "cb-title" }, "What a student feels"),
      create("div", { class: "cb-controls" }, chooseStudent.element, weight.element),
      create("figure", {},
        create("figcaption", {}, "Length of the gradient by the student's logits: ",
          key("solid var(--accent)", "teacher, with T²"), key("dashed var(--warm)", "teacher, without"), key("dotted var(--cool)", "label")),
        curve.element),
      gradient.element,
      spoken.element,
    );
    update();
  },
};
