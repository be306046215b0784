// Tables sort by the column whose name is pressed; without scripts they stay as they are.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const th = button.closest("th"), table = th.closest("table"), body = table.tBodies[0];
    const up = th.getAttribute("aria-sort") !== "ascending", column = th.cellIndex;
    const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const number = (row) => (key(row) === "" ? NaN : Number(key(row)));
    const rows = [...body.rows], numeric = rows.every((row) => key(row) === "" || !Number.isNaN(number(row)));
    rows.sort((a, b) => {
      if (!numeric) return key(a).localeCompare(key(b), "en", { numeric: true }) * (up ? 1 : -1);
      if (Number.isNaN(number(a)) || Number.isNaN(number(b))) return Number.isNaN(number(a)) - Number.isNaN(number(b));
      return (number(a) - number(b)) * (up ? 1 : -1);
    });
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows);
  });
}
// On paper nothing stays folded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
