// Lets keyboards reach what scrolls sideways; everything else on a page works without this script.
(() => {
  "use strict";
  const SCROLLERS = ".cb-scroll, .pst-scrollable-table-container, .bd-article pre, div.math";

  function mark(element) {
    if (element.scrollWidth > element.clientWidth + 1) {
      element.tabIndex = 0;
    } else if (element.getAttribute("tabindex") === "0") {
      element.removeAttribute("tabindex");
    }
  }

  function markAll() {
    document.querySelectorAll(SCROLLERS).forEach(mark);
  }

  document.addEventListener("DOMContentLoaded", () => {
    markAll();
    new ResizeObserver(markAll).observe(document.body);
    document.addEventListener("toggle", markAll, true);
  });
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll(".bd-article details").forEach((folded) => (folded.open = true));
  });
})();
