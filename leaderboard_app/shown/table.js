// A table is hidden while what stands above it is made, and then loses the focus and takes none.
const focus = (button, tries) => {
  const free = document.activeElement === document.body || document.activeElement === button;
  if (!button?.isConnected || !free || !tries) return;  // the reader has gone elsewhere
  button.focus({ preventScroll: true });
  setTimeout(focus, 50, button, tries - 1);
};

export default function({ parentElement, data, setTriggerValue }) {
  const place = parentElement.querySelector('.dps-place');
  const table = place.closest('[class*="st-key-table-"]')?.className.match(/st-key-table-\S+/)?.[0];
  if (place.shown !== data.html) {
    const left = place.querySelector('.dps-scroll')?.scrollLeft ?? 0;
    place.innerHTML = data.html;
    place.shown = data.html;
    const scroll = place.querySelector('.dps-scroll');
    if (scroll) scroll.scrollLeft = left;
    if (window.dpsPressed?.table === table) {
      // the heading that was pressed is a new one: its order is told, and it keeps the focus
      const { column } = window.dpsPressed;
      window.dpsPressed = null;
      const same = ({ dataset }) => dataset.sort.replace(/^-/, '') === column;
      const button = [...place.querySelectorAll('[data-sort]')].find(same);
      const order = button?.closest('[aria-sort]')?.getAttribute('aria-sort');
      const heading = button?.firstChild.textContent;
      const said = parentElement.querySelector('.dps-said');
      if (order) said.textContent = `Sorted by ${heading}, ${order}`;
      focus(button, 40);
    }
  }
  place.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const at = event.target.closest('[data-sort], [data-go]');
    if (!at) return;
    event.preventDefault();
    if (at.dataset.sort) {
      window.dpsPressed = { table, column: at.dataset.sort.replace(/^-/, '') };
      setTriggerValue('sort', at.dataset.sort);
    }
    else {
      // as the browser's own buttons do, which leaves one step to go back
      history.pushState({}, '', new URL(at.dataset.go, location.href));
      window.dispatchEvent(new PopStateEvent('popstate'));
    }
  };
}
