/**
 * Light or dark as it was chosen, before anything is painted: therefore a script of its own that is no module.
 */
(() => {
  try {
    const chosen = localStorage.getItem('sluice.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is not allowed: the system's choice holds.
  }
})();
