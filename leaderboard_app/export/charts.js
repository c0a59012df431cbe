'use strict';
// Pictures become charts with hover texts and zoom; without this script the pictures stay.
const dark = window.matchMedia('(prefers-color-scheme: dark)');

const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const [text, line] = ['--st-text-color', '--st-border-color'].map((name) => style.getPropertyValue(name).trim());
  const axis = { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line };
  return { background: 'transparent', axis, legend: { labelColor: text, titleColor: text },
    view: { stroke: line } };
};

const draw = async (place) => {
  const picture = place.querySelector('img');
  const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
  spec.width = 'container';
  spec.background = 'transparent';
  spec.description = picture.alt;
  const chart = document.createElement('div');
  chart.className = 'drawn';
  place.append(chart);
  const options = { actions: false, ast: true, defaultStyle: false, renderer: 'svg', logLevel: 1,
    config: colours(), tooltip: { disableDefaultStyle: true, theme: 'dps' } };
  const { view } = await vegaEmbed(chart, spec, options);
  const pages = JSON.parse(document.getElementById('pages').textContent);
  view.addEventListener('click', (event, item) => {
    const to = item?.datum && Object.hasOwn(pages, item.datum.id) ? pages[item.datum.id] : null;
    if (to) location.assign(to);
  });
  picture.hidden = true;
  for (const each of document.querySelectorAll('.scripted')) each.hidden = false;
  for (const old of [...place.querySelectorAll('.drawn')].slice(0, -1)) old.remove();
};

const drawAll = () => document.querySelectorAll('.chart[data-spec]').forEach((place) => {
  draw(place).catch((error) => console.error(error));
});

drawAll();
dark.addEventListener('change', drawAll);
