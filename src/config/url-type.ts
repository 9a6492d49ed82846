/**
 * URLs of web services, and paths or URLs. Contract: as value-type.ts.
 */
import type { ValueType } from './value-type.js';

const MAX_URL = 2000;

/** True for a text that is meant to be a URL, not a path. */
export function isWebUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** True when what is sent to a URL can be read on the way: http to another host. */
export function isExposed(url: string): boolean {
  if (!isWebUrl(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** An http or https URL, '' for none. A user and password in it are credentials for the service. */
export function webUrl(): ValueType<string> {
  return {
    allowed: 'a URL with https:// or http://',
    unit: '',
    parse: (text) => {
      if (text === '') return { value: '' };
      if (!isWebUrl(text)) return { problem: 'it begins with neither https:// nor http://' };
      if (text.length > MAX_URL) return { problem: `it is longer than ${MAX_URL} characters` };
      if (!URL.canParse(text)) return { problem: 'it is not a URL' };
      return new URL(text).hash === '' ? { value: text } : { problem: 'it has a fragment (#)' };
    },
    format: (value) => value,
  };
}

/** A path, or an http or https URL; '' for none. */
export function pathOrWebUrl(): ValueType<string> {
  const url = webUrl();
  return {
    allowed: 'a path, or a URL with https:// or http://; a relative path begins at the working directory',
    unit: '',
    parse: (text) => {
      if (/[\u0000-\u001f\u007f]/.test(text)) return { problem: 'it has a control character' };
      return isWebUrl(text) ? url.parse(text) : { value: text };
    },
    format: (value) => value,
  };
}
