/**
 * Finds the endpoint of a method and path.
 */
import type { Endpoint } from './endpoint.js';
import { Problem } from './problem.js';

export interface Found {
  readonly endpoint: Endpoint;
  readonly params: Readonly<Record<string, string>>;
}

export class Router {
  private readonly rows: readonly { readonly endpoint: Endpoint; readonly segments: readonly string[] }[];

  constructor(endpoints: readonly Endpoint[]) {
    // Fixed segments before parameters: /v1/queue/retry is not a message.
    this.rows = endpoints
      .map((endpoint) => ({ endpoint, segments: endpoint.path.split('/') }))
      .sort((a, b) => Number(a.endpoint.path.includes('{')) - Number(b.endpoint.path.includes('{')));
  }

  /** HEAD finds GET. @throws Problem 404 for an unknown path, 405 for a known one with another method. */
  find(method: string, path: string): Found {
    const segments = path.split('/');
    const wanted = method === 'HEAD' ? 'GET' : method;
    const allowed = new Set<string>();
    for (const row of this.rows) {
      const params = match(row.segments, segments);
      if (params === null) continue;
      if (row.endpoint.method === wanted) return { endpoint: row.endpoint, params };
      allowed.add(row.endpoint.method);
      if (row.endpoint.method === 'GET') allowed.add('HEAD');
    }
    if (allowed.size === 0) throw new Problem(404, 'no-such-path', 'there is nothing here; see /v1/openapi.json');
    const allow = [...allowed].join(', ');
    throw new Problem(405, 'method-not-allowed', `allowed: ${allow}`, { headers: { Allow: allow } });
  }
}

function match(pattern: readonly string[], given: readonly string[]): Readonly<Record<string, string>> | null {
  if (pattern.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i++) {
    const [wanted, segment] = [pattern[i]!, given[i]!];
    if (wanted.startsWith('{')) {
      const value = decoded(segment);
      if (value === '') return null;
      params[wanted.slice(1, -1)] = value;
    } else if (wanted !== segment) return null;
  }
  return params;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
