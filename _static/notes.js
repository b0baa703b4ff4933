// What a citation or a glossary term stands for, beside the link: by pointer, focus, or a first tap.
// Without this script the browser shows the same words from the link's title.
(() => {
  "use strict";
  const LINKS = ".bibtex-citation a[title], a.reference[title]:has(> .std-term)";
  const DELAY = 250; // ms: time to move the pointer from the link to its note
  let note, shown, timer, touched;

  function show(link) {
    clearTimeout(timer);
    if (shown === link) return;
    hide();
    shown = link;
    note.textContent = link.dataset.note;
    note.hidden = false;
    link.setAttribute("aria-describedby", note.id);
    place(link);
  }

  function hide() {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    note.hidden = true;
  }

  function hideSoon() {
    clearTimeout(timer);
    timer = setTimeout(hide, DELAY);
  }

  // Beneath the link's last line, or above its first where the window ends; never beside the text column.
  function place(link) {
    const column = note.offsetParent.getBoundingClientRect();
    const lines = link.getClientRects();
    const last = lines[lines.length - 1];
    const below = last.bottom + note.offsetHeight + 8 < innerHeight || lines[0].top < note.offsetHeight + 8;
    const left = Math.min(last.left - column.left, column.width - note.offsetWidth);
    const top = below ? last.bottom + 4 : lines[0].top - note.offsetHeight - 4;
    note.style.left = `${Math.max(0, left)}px`;
    note.style.top = `${top - column.top}px`;
  }

  function attend(link) {
    link.dataset.note = link.title;
    link.removeAttribute("title");
    link.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && show(link));
    link.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && hideSoon());
    link.addEventListener("focus", () => show(link));
    link.addEventListener("blur", hideSoon);
    link.addEventListener("pointerdown", (event) => {
      touched = event.pointerType === "touch" && shown !== link;
    });
    link.addEventListener("click", (event) => {
      if (touched) {
        event.preventDefault();
        show(link);
      }
      touched = false;
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    const links = document.querySelectorAll(LINKS);
    const article = document.querySelector(".bd-article");
    if (!links.length || !article) return;
    note = document.createElement("div");
    Object.assign(note, { id: "cb-aside", className: "cb-aside", role: "tooltip", hidden: true });
    article.append(note);
    links.forEach(attend);
    note.addEventListener("pointerenter", () => clearTimeout(timer));
    note.addEventListener("pointerleave", hideSoon);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    document.addEventListener("pointerdown", (event) => {
      if (shown && !note.contains(event.target) && !shown.contains(event.target)) hide();
    });
  });
})();
