// A table that is wider than its place scrolls: let those who have no mouse reach it.
const reachable = () => {
  for (const box of document.querySelectorAll(".bd-article :is(table, .cell_output, .cell_output > div)")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
};

addEventListener("load", reachable);
addEventListener("resize", reachable);
