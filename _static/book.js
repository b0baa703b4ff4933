// Lets keyboards reach what scrolls sideways; everything else on a page works without this script.
(() => {
  "use strict";
  // Those with a role see to it themselves.
  const SCROLLERS =
    ":is(.cb-scroll, .pst-scrollable-table-container, .bd-article pre, .cell_output > .output, div.math):not([role])";
  const root = document.documentElement;

  function mark(element) {
    if (element.scrollWidth > element.clientWidth + 1) {
      element.tabIndex = 0;
    } else if (element.getAttribute("tabindex") === "0") {
      element.removeAttribute("tabindex");
    }
  }

  // To measure an element lays out its part of the page, so only what is near is measured.
  const near = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && mark(entry.target)),
    { rootMargin: "50% 0px" },
  );

  function markAgain() {
    const scrollers = document.querySelectorAll(SCROLLERS);
    near.disconnect();
    scrollers.forEach((element) => (root.matches(".cb-whole") ? mark(element) : near.observe(element)));
  }

  document.addEventListener("DOMContentLoaded", () => {
    let width = 0;
    new ResizeObserver(([page]) => {
      if (page.contentRect.width !== width) markAgain();
      width = page.contentRect.width;
    }).observe(document.body);
    document.addEventListener("toggle", markAgain, true);
  });
  // Parts of a long page are laid out as they come into sight, which would push away what the Tab key reached.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && !root.matches(".cb-whole")) {
      root.classList.add("cb-whole");
      markAgain();
    }
  });
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll(".bd-article details").forEach((folded) => (folded.open = true));
  });
})();
