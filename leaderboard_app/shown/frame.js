// Names and stops for the keyboard that Streamlit's own elements lack.
const mend = () => {
  const menu = document.querySelector('[data-testid="stExpandSidebarButton"]');
  if (menu && menu.ariaLabel !== 'Menu') menu.ariaLabel = 'Menu';  // as its style sheet shows it
  for (const code of document.querySelectorAll('[data-testid="stCode"] > pre:not([tabindex])')) {
    code.tabIndex = 0;  // it scrolls, the box around it does not
    code.parentElement.removeAttribute('tabindex');
  }
};

export default function() {
  if (window.deeppruneSimFrame) return;
  window.deeppruneSimFrame = new MutationObserver(mend);
  window.deeppruneSimFrame.observe(document.body, { childList: true, subtree: true });
  mend();
}
