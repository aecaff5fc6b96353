'use strict';
// Tables: a click on a heading sorts by it, another turns the order round, a third gives the first order back.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const order = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const next = { none: 'ascending', ascending: 'descending', descending: 'none' };
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const wanted = next[head.getAttribute('aria-sort')];
    for (const other of heads) other.setAttribute('aria-sort', 'none');
    head.setAttribute('aria-sort', wanted);
    body.append(...(wanted === 'none' ? order : sorted(order, column, head.className === 'num', wanted)));
  }));
}

// Rows by a column, equal ones as they were; what is missing or NaN comes last either way.
function sorted(rows, column, numeric, wanted) {
  const sign = wanted === 'ascending' ? 1 : -1;
  const shown = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
  const number = text => text === '' ? NaN : Number(text.replace('∞', 'Infinity'));
  const keyed = rows.map(row => ({ row, key: numeric ? number(shown(row)) : shown(row) }));
  const missing = key => key === '' || Number.isNaN(key);
  const compare = numeric
    ? (a, b) => (a > b) - (a < b)
    : (a, b) => a.localeCompare(b, undefined, { numeric: true });
  keyed.sort((a, b) => missing(a.key) - missing(b.key) || (missing(a.key) ? 0 : sign * compare(a.key, b.key)));
  return keyed.map(({ row }) => row);
}

// One sound at a time.
document.addEventListener('play', event => {
  for (const player of document.querySelectorAll('audio')) if (player !== event.target) player.pause();
}, true);
