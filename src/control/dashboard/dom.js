/**
 * The little that the page needs to build itself. Text goes in as text, never as markup.
 */

const SVG = 'http://www.w3.org/2000/svg';

/** The element of an id. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * An element. `attributes`: `class`, `text`, functions by `on...`, `data` as an object, anything else as an attribute
 * (true: without a value; false, null: not at all). Children that are null are left out.
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') element.textContent = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat())
    if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
}

/** Sets text where it is another, so that nothing is done to what stays as it is. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or (null) takes away an attribute where it is another. */
export function setAttribute(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Has a parent show a list, an element for each item. Elements stay with their items, so that focus, selection and
 * scrolling stay. `make(item)` builds an element, `update(element, item)` brings it up to date.
 */
export function showList(parent, items, keyOf, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let element = known.get(key);
    if (element === undefined) {
      element = make(item);
      element.dataset.key = key;
    }
    known.delete(key);
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** A row of a table with so many cells; `classes`: one for each. */
export function tableRow(classes, head = true) {
  return el(
    'tr',
    {},
    classes.map((name, i) =>
      el(head && i === 0 ? 'th' : 'td', { class: name, ...(head && i === 0 ? { scope: 'row' } : {}) }),
    ),
  );
}

/** One line over a whole table, where there is nothing to show. */
export function showNothing(body, columns, words) {
  if (body.dataset.nothing === words) return;
  body.replaceChildren(el('tr', { class: 'nothing' }, el('td', { colspan: columns, text: words })));
  body.dataset.nothing = words;
}

/** Rows instead of that line. */
export function showRows(body, items, columns, words, keyOf, make, update) {
  if (items.length === 0) {
    showNothing(body, columns, words);
    return;
  }
  if (body.dataset.nothing !== undefined) {
    body.replaceChildren();
    delete body.dataset.nothing;
  }
  showList(body, items, keyOf, make, update);
}
