// What is drawn of a convolution: maps with a window on them, products, and the buttons that move it.

/** A canvas with one pixel a value, above it the taps of a window; `onPoint` hears of mouse and finger. */
function picture(onPoint) {
  const canvas = create("canvas", { role: "img" });
  const taps = draw("svg", { "aria-hidden": "true", preserveAspectRatio: "none" });
  const element = create("div", { class: "cb-picture" }, canvas, taps);
  const point = (event) => {
    const area = canvas.getBoundingClientRect();
    const row = ((event.clientY - area.top) / area.height) * canvas.height;
    onPoint(Math.floor(row), Math.floor(((event.clientX - area.left) / area.width) * canvas.width));
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    point(event);
  });
  element.addEventListener("pointermove", (event) => event.buttons && point(event));
  return {
    element,
    /** Grey values from `low` to `high`; null is blue. */
    paint(values, low, high, words) {
      [canvas.height, canvas.width] = shape(values);
      canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
      canvas.setAttribute("aria-label", words);
      const pixels = new ImageData(canvas.width, canvas.height);
      values.flat().forEach((value, i) => {
        const grey = value === null ? [120, 150, 190] : Array(3).fill((255 * (value - low)) / (high - low || 1));
        pixels.data.set([...grey, 255], 4 * i);
      });
      canvas.getContext("2d").putImageData(pixels, 0, 0);
    },
    /** A frame of `side` pixels and, where they lie apart, each tap by itself. */
    mark(top, left, side, places = []) {
      const box = (y, x, size, style) => draw("rect", { x, y, width: size, height: size, style });
      taps.setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
      taps.replaceChildren(
        ...places.map(([y, x]) => box(y, x, 1, "fill: #ff9d2e; stroke: #000; stroke-width: 1px")),
        box(top, left, side, "stroke: #000; stroke-width: 4px"),
        box(top, left, side, "stroke: #ff9d2e; stroke-width: 2px"),
      );
    },
    fade(faded) {
      element.style.opacity = faded ? 0.3 : 1;
      if (faded) taps.replaceChildren();
    },
  };
}

/** One cell a tap: a number over the weight, on the grey of the pixel. */
function drawProducts(svg, cells, words) {
  const k = cells.length;
  const side = Math.min(50, 350 / k);
  const cell = ({ pixel, number, weight }, i, j) => {
    const ink = pixel > 127 ? "fill: #111" : "fill: #fff";
    const middle = { x: (j + 0.5) * side, "text-anchor": "middle", style: `${ink}; font-size: ${Math.min(13, side / 3.4)}px` };
    const shade = `fill: rgb(${pixel} ${pixel} ${pixel}); stroke: var(--line)`;
    return [
      draw("rect", { x: j * side, y: i * side, width: side, height: side, style: shade }),
      draw("text", { ...middle, y: (i + 0.45) * side }, format(number, 1)),
      draw("text", { ...middle, y: (i + 0.8) * side }, weight),
    ];
  };
  svg.setAttribute("viewBox", `0 0 ${side * k} ${side * k}`);
  svg.style.maxWidth = `${side * k}px`;
  svg.setAttribute("aria-label", words);
  svg.replaceChildren(...cells.flatMap((line, i) => line.flatMap((each, j) => cell(each, i, j))));
}

/** Play, pause and step. Nothing moves unasked; who wants no motion steps. `next` says whether there is more. */
function player({ begin, next, onChange }) {
  const play = create("button", { type: "button" }, "Play");
  const step = create("button", { type: "button" }, "Step");
  let [timer, rate] = [null, 10];
  const playing = () => timer !== null;
  const start = () => (timer = setInterval(() => (play.isConnected && next()) || stop(), 1000 / rate));
  const tell = () => {
    play.textContent = playing() ? "Pause" : "Play";
    onChange();
  };
  function stop() {
    if (!playing()) return;
    clearInterval(timer);
    timer = null;
    tell();
  }
  play.addEventListener("click", () => {
    if (playing()) return stop();
    begin();
    start();
    tell();
  });
  step.addEventListener("click", () => {
    stop();
    next();
  });
  const speed = choice({
    label: "Windows a second", options: [2, 10, 60], value: rate,
    onChange(value) {
      rate = value;
      if (!playing()) return;
      clearInterval(timer);
      start();
    },
  });
  play.hidden = speed.element.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const buttons = create("div", { class: "cb-buttons" }, play, step);
  return { element: create("div", { class: "cb-controls" }, buttons, speed.element), playing, stop };
}
