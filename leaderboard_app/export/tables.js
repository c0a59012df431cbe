'use strict';
// Headings of tables become buttons that sort them; without this script the tables stay as they are.
const number = (text) => {
  const found = text.replace(/,/g, '').replace(/−/g, '-').match(/[-+]?\d+(\.\d+)?(e[-+]?\d+)?/i);
  return found ? Number(found[0]) : null;
};

const valueOf = (cell) => {
  const text = (cell.dataset.source ?? cell.firstChild?.textContent ?? '').trim();
  if (text === '–' || text === '') return null;
  return cell.classList.contains('dps-number') ? number(text) : text.toLocaleLowerCase('en');
};

const compare = (one, other, sign) => {
  if (one === null || other === null) return (one === null) - (other === null);
  return sign * (one < other ? -1 : one > other ? 1 : 0);
};

const sort = (table, place, heading, sign) => {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row.cells[place]), row]);
  rows.sort((one, other) => compare(one[0], other[0], sign));
  body.append(...rows.map(([, row]) => row));
  for (const each of table.querySelectorAll('th[aria-sort]')) {
    each.removeAttribute('aria-sort');
    each.querySelector('.dps-sign').textContent = '';
  }
  heading.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
  heading.querySelector('.dps-sign').textContent = sign > 0 ? '▲' : '▼';
};

for (const table of document.querySelectorAll('table.dps')) {
  if (!table.tBodies.length || table.tBodies[0].rows.length < 2 || !table.tHead) continue;
  [...table.tHead.rows[table.tHead.rows.length - 1].cells].forEach((heading, place) => {
    if (!heading.textContent.trim()) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    const sign = document.createElement('span');
    sign.className = 'dps-sign';
    sign.setAttribute('aria-hidden', 'true');
    button.append(sign);
    heading.append(button);
    button.addEventListener('click', () => {
      const rises = heading.getAttribute('aria-sort') === 'descending'
        || (!heading.hasAttribute('aria-sort') && !heading.classList.contains('dps-number'));
      sort(table, place, heading, rises ? 1 : -1);
    });
  });
}
