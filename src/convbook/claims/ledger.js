// Search, filter and sort for the ledger; the table stands complete without it.
for (const root of document.querySelectorAll(".cb-ledger:not([data-ready])")) {
  root.dataset.ready = "true";
  const bodies = [...root.querySelectorAll("tbody")]; // one a paper, until the rows are sorted
  const rows = bodies.flatMap((body) => [...body.rows]);
  const controls = root.querySelector(".cb-controls");
  const status = root.querySelector(".cb-shown");

  const labelled = (text, control) => {
    const label = document.createElement("label");
    label.append(text, control);
    controls.append(label);
    return control;
  };
  const choice = (text, values) => {
    const select = labelled(text, document.createElement("select"));
    select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
    return select;
  };
  const distinct = (read) => [...new Set(rows.map(read))];

  const search = labelled("Search", document.createElement("input"));
  search.type = "search";
  const paper = choice("Paper", distinct((row) => row.dataset.paper));
  const verdict = choice("Status", distinct((row) => row.dataset.status).sort());

  const tell = (shown) => {
    status.textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} claims shown`;
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        (paper.value && row.dataset.paper !== paper.value) ||
        (verdict.value && row.dataset.status !== verdict.value) ||
        !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    for (const body of bodies) body.hidden = [...body.rows].every((row) => row.hidden);
    tell(shown);
  };
  for (const control of [search, paper, verdict]) control.addEventListener("input", filter);

  const key = (cell) => {
    if (cell.dataset.sort === undefined) return cell.textContent;
    return cell.dataset.sort === "" ? -Infinity : Number(cell.dataset.sort);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b || 0 : a.localeCompare(b));
  const headings = [...root.querySelectorAll("thead th")];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => compare(key(a.cells[column]), key(b.cells[column])) * (down ? -1 : 1));
      bodies[0].append(...rows);
      bodies[0].style.setProperty("--rows", rows.length);
      filter();
    });
  });

  controls.hidden = false;
  tell(rows.length);
}
