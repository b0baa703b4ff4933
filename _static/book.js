// Lets keyboards reach what scrolls sideways; everything else on a page works without this script.
(() => {
  "use strict";
  const SCROLLERS = ".cb-scroll, .pst-scrollable-table-container, .bd-article pre, div.math";
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 5 }), 1));
  let waiting = [];

  function mark(element) {
    if (element.scrollWidth > element.clientWidth + 1) {
      element.tabIndex = 0;
    } else if (element.getAttribute("tabindex") === "0") {
      element.removeAttribute("tabindex");
    }
  }

  // To measure an element lays out its part of the page: a few at a time, when there is nothing else to do.
  function markSome(deadline) {
    do {
      const element = waiting.shift();
      if (element) mark(element);
    } while (waiting.length && deadline.timeRemaining() > 2);
    if (waiting.length) idle(markSome);
    else document.documentElement.dataset.scrollers = "marked";
  }

  function markAll() {
    const running = waiting.length > 0;
    delete document.documentElement.dataset.scrollers;
    waiting = [...document.querySelectorAll(SCROLLERS)];
    if (!running) idle(markSome);
  }

  document.addEventListener("DOMContentLoaded", () => {
    let width = 0;
    new ResizeObserver(([page]) => {
      if (page.contentRect.width !== width) markAll();
      width = page.contentRect.width;
    }).observe(document.body);
    document.addEventListener("toggle", markAll, true);
  });
  // Parts of a long page are laid out as they come into sight, which would push away what the Tab key reached.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Tab") document.documentElement.classList.add("cb-whole");
  });
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll(".bd-article details").forEach((folded) => (folded.open = true));
  });
})();
