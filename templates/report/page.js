"use strict";
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const field = (id) => document.getElementById(id);
  const search = field("search");
  const choices = ["status", "code", "account"].filter(field);

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = choices.every((name) => !field(name).value || row.dataset[name] === field(name).value)
        && words.every((word) => texts.get(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    field("shown").textContent = shown;
    field("none").hidden = shown > 0;
  };

  const sort = (heading) => {
    const at = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending";
    const number = heading.dataset.kind === "number";
    const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
    const value = (row) => row.cells[at].textContent.trim();
    rows.sort((a, b) => {
      const difference = number ? value(a) - value(b) : compare(value(a), value(b));
      return down ? -difference : difference;
    });
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };

  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", filter);
  for (const name of choices) field(name).addEventListener("change", filter);
  for (const heading of table.tHead.rows[0].cells) heading.firstElementChild.addEventListener("click", () => sort(heading));
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      search.value = "";
      for (const name of choices) field(name).value = "";
      field("code").value = button.dataset.show;
      filter();
      field("rows").scrollIntoView();
    });
  }
})();
