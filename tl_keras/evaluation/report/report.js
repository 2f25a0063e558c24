// Tables that sort by a column: a click, or Enter on its heading, and again for the
// other way round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const place = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const first = heading.dataset.first;
    const other = first === "ascending" ? "descending" : "ascending";
    const way = heading.getAttribute("aria-sort") === first ? other : first;
    const names = new Intl.Collator(undefined, { numeric: true });
    const compare = (one, two) => {
      const [a, b] = [one, two].map((row) => row.cells[place].dataset.value);
      // What has no value stays below.
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = heading.dataset.kind === "number" ? a - b : names.compare(a, b);
      return way === "ascending" ? order : -order;
    };
    for (const one of heading.parentElement.cells) {
      if (one.hasAttribute("aria-sort")) one.setAttribute("aria-sort", "none");
    }
    heading.setAttribute("aria-sort", way);
    body.append(...[...body.rows].sort(compare));
  });
}
