/**
 * Suspensions and reroutes that stand, and the form that makes them.
 */
import { ask } from './api.js';
import { byId, el, setText, showList } from './dom.js';
import { many } from './format.js';
import { orderWords, selectorWords } from './words.js';

const PLACES = {
  domain: ['Domain', 'example.org, or .example.org'],
  tenant: ['Tenant', 'its name'],
  pool: ['Pool', 'egress pool or upstream group'],
  campaign: ['Campaign', 'a tag'],
};

/** `changed()`: orders are others than before. */
export function openOrders(changed) {
  const form = byId('order');
  const { value: field, by, to } = form.elements;
  const told = form.querySelector('[data-said]');
  const what = () => form.elements.what.value;
  const submit = form.querySelector('[data-submit]');
  let armed = false;

  /** Labels as they fit what is chosen. */
  const adapt = () => {
    const [label, example] = PLACES[by.value];
    setText(form.querySelector('[data-by]'), label);
    field.placeholder = example;
    form.querySelector('[data-to]').hidden = what() !== 'reroute';
    to.required = what() === 'reroute';
    armed = false;
    setText(submit, what() === 'reroute' ? 'Reroute' : 'Suspend');
  };
  form.addEventListener('input', adapt);
  adapt();

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    // Mail that is discarded is gone: asked twice.
    if (what() === 'reroute' && to.value.trim() === 'discard' && !armed) {
      armed = true;
      setText(submit, 'Yes, discard it');
      setText(told, 'Mail that is discarded is lost and nobody is told. Press again to do it.');
      return;
    }
    armed = false;
    submit.disabled = true;
    const selector = { [by.value]: field.value.trim() };
    const body = { selector, reason: form.elements.reason.value.trim(), forMs: Number(form.elements.for.value) };
    try {
      if (what() === 'reroute')
        await ask('v1/orders/reroute', { method: 'POST', body: { ...body, to: to.value.trim() } });
      else await ask('v1/orders/suspend', { method: 'POST', body });
      setText(
        told,
        `${selectorWords(selector)} is ${what() === 'reroute' ? `sent to ${to.value.trim()}` : 'suspended'}.`,
      );
      field.value = '';
      form.elements.reason.value = '';
      adapt();
    } catch (problem) {
      setText(told, problem.message);
    }
    submit.disabled = false;
    changed();
  });

  return {
    show(items) {
      setText(byId('orders-note'), items.length === 0 ? 'none stand' : many(items.length, 'stands', 'stand'));
      showList(
        byId('orders'),
        items,
        ({ id }) => id,
        (order) => row(order, told, changed),
        update,
      );
    },
    /** Fills in whose mail, and goes there. */
    prefill(kind, value) {
      by.value = kind;
      field.value = value;
      adapt();
      submit.focus();
      form.scrollIntoView({ block: 'nearest' });
    },
    focus() {
      field.focus();
      form.scrollIntoView({ block: 'nearest' });
    },
  };
}

function row(order, told, changed) {
  const resume = el('button', { type: 'button', class: 'small', text: 'Resume' });
  resume.setAttribute('aria-label', `Resume ${selectorWords(order.selector)}`);
  resume.addEventListener('click', async () => {
    resume.disabled = true;
    try {
      await ask('v1/orders/resume', { method: 'POST', body: { order: order.id } });
      setText(told, `${selectorWords(order.selector)} goes on.`);
      // The row goes: focus stays near.
      byId('order').elements.value.focus();
      resume.closest('li').remove();
    } catch (problem) {
      setText(told, problem.message);
      resume.disabled = false;
    }
    changed();
  });
  return el('li', {}, el('div', {}, el('b'), el('small')), resume);
}

function update(element, order) {
  const [title, facts] = element.firstElementChild.children;
  setText(title, `${selectorWords(order.selector)}${order.to === '' ? ' suspended' : ` → ${order.to}`}`);
  setText(facts, orderWords(order, Date.now()));
}
