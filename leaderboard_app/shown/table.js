export default function({ parentElement, data, setTriggerValue }) {
  const place = parentElement.querySelector('.dps-place');
  if (place.shown !== data.html) {
    const left = place.querySelector('.dps-scroll')?.scrollLeft ?? 0;
    place.innerHTML = data.html;
    place.shown = data.html;
    const scroll = place.querySelector('.dps-scroll');
    if (scroll) scroll.scrollLeft = left;
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
