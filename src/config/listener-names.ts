/**
 * What listeners are called in rules, reports and limits.
 *
 * The given name (`?name=`), else the scheme for the first listener of it (`smtp`) and scheme and port for others
 * (`smtp-2525`, `smtp-fd3`). No two have the same: what would be the same gets a number. A listener that is added behind
 * the others changes no name.
 */
import type { ListenAddress } from './listen-type.js';

/** Names in the order of the listeners. */
export function listenerNames(listen: readonly ListenAddress[]): string[] {
  const taken = new Set(listen.map(({ name }) => name).filter((name) => name !== ''));
  return listen.map(({ name, scheme, port, inherited }) => {
    if (name !== '') return name;
    const place = inherited === '' ? `${port}` : `fd${inherited}`;
    for (let number = 0; ; number++) {
      const tried = number === 0 ? scheme : `${scheme}-${place}${number === 1 ? '' : `-${number}`}`;
      if (taken.has(tried)) continue;
      taken.add(tried);
      return tried;
    }
  });
}
