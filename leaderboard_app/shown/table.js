export default function({ parentElement, data, setTriggerValue }) {
  const place = parentElement.querySelector('.dps-place');
  if (place.shown !== data.html) {
    const left = place.querySelector('.dps-scroll')?.scrollLeft ?? 0;
    const at = place.contains(document.activeElement) ? document.activeElement : null;
    const sorted = at?.dataset.sort?.replace(/^-/, '');
    place.innerHTML = data.html;
    place.shown = data.html;
    const scroll = place.querySelector('.dps-scroll');
    if (scroll) scroll.scrollLeft = left;
    if (sorted) {  // the button that was pressed is a new one: it keeps the focus
      const same = ({ dataset }) => dataset.sort.replace(/^-/, '') === sorted;
      const button = [...place.querySelectorAll('[data-sort]')].find(same);
      button?.focus({ preventScroll: true });
      const order = button?.closest('[aria-sort]')?.getAttribute('aria-sort');
      const heading = button?.firstChild.textContent;
      const said = parentElement.querySelector('.dps-said');
      if (order) said.textContent = `Sorted by ${heading}, ${order}`;
    }
  }
  place.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const at = event.target.closest('[data-sort], [data-go]');
    if (!at) return;
    event.preventDefault();
    if (at.dataset.sort) setTriggerValue('sort', at.dataset.sort);
    else {
      // as the browser's own buttons do, which leaves one step to go back
      history.pushState({}, '', new URL(at.dataset.go, location.href));
      window.dispatchEvent(new PopStateEvent('popstate'));
    }
  };
}
