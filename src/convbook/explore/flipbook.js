// Frames drawn beforehand, one at a time. They stand in the fallback, each in a <figure>, and are moved here.

export default {
  render({ model, el, fallback }) {
    const labels = model.get("labels");
    const frames = [...fallback.querySelectorAll("figure")];
    const spoken = create("p", { class: "cb-status", role: "status", "aria-live": "polite", style: "min-height: 0" });
    const turn = (i) => {
      frames.forEach((frame, j) => (frame.hidden = j !== i));
      spoken.textContent = `${labels[i]} (${i + 1} of ${labels.length})`;
    };
    const frame = slider({
      label: model.get("title"), min: 0, max: labels.length - 1, value: 0, text: (i) => labels[i], onInput: turn,
    });
    for (const figure of frames) figure.querySelector("figcaption").hidden = true;
    el.append(frame.element, ...frames, spoken);
    turn(0);
  },
};
