/**
 * Measures taken inside of the page: functions as text, for this project knows no browser.
 */

/** Texts whose colour is too near to what is behind them: ratio of WCAG 2.2, 4.5 for text, 3 for large text. */
export const lowContrast = `(() => {
  // Any notation of a colour, drawn: its channels.
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext('2d', { willReadFrequently: true });
  const channels = (colour) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === '' || element === null || element.closest('.unseen, noscript, script, option, [hidden]') !== null) continue;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const style = getComputedStyle(element);
    const own = channels(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [light, dark] = [luminance(own), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(node.data.trim().slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return found;
})()`;

/** What reaches beyond the page's width. Parts that scroll in themselves may; the page may not. */
export const sidewaysScroll = `(() => {
  const width = document.documentElement.clientWidth;
  const found = [];
  if (document.documentElement.scrollWidth > width) found.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('.unseen, .skip, svg, dialog:not([open]), [hidden]') !== null) continue;
    const { right, left, width: own } = element.getBoundingClientRect();
    if (own > 0 && (right > width + 1 || left < -1)) {
      const name = element.tagName.toLowerCase() + (element.id === '' ? '' : '#' + element.id) + (element.className === '' ? '' : '.' + element.className);
      found.push(name + ' ' + Math.round(left) + ' to ' + Math.round(right));
    }
  }
  return found;
})()`;

/** Controls without a name for those who do not see them. */
export const unnamed = `(() => {
  const found = [];
  for (const element of document.querySelectorAll('button, input, select, a[href], [role=img], meter, fieldset')) {
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join('');
    const legend = element.tagName === 'FIELDSET' ? element.querySelector('legend')?.textContent ?? '' : '';
    const name = element.getAttribute('aria-label') ?? (element.textContent.trim() || labels.trim() || legend.trim());
    if (name === '' || name === null) found.push(element.outerHTML.slice(0, 80));
  }
  return found;
})()`;
