/**
 * The engine's side of the control socket: requests from one stream, answered by an EngineControl.
 *
 * Contract: one request at a time for each stream ("events" is answered until the stream ends), further ones wait unread; a bad request gets an error answer and the
 * stream goes on; a line longer than MAX_REQUEST gets one and the stream ends. Nothing a client sends throws.
 * It knows streams only: whoever listens hands them in.
 */
import type { Duplex } from 'node:stream';
import { type ControlRequest, type ControlResponse, MAX_REQUEST } from './control-protocol.js';
import type { EngineControl } from './engine-control.js';
import { type Subscribe, streamEvents } from './event-stream.js';
import { parseRequest } from './parse-request.js';

const LINE_END = 10;

async function perform(control: EngineControl, request: ControlRequest): Promise<unknown> {
  switch (request.command) {
    case 'status':
      return control.status();
    case 'list':
      return control.list(request.after, request.limit);
    case 'details':
      return control.details(request.after, request.limit);
    case 'content':
      return (await control.content(request.id, request.offset)) ?? null;
    case 'change':
      return control.change(request.action, request.ids);
    case 'show':
      return (await control.show(request.id)) ?? null;
    case 'why':
      return (await control.why(request.id)) ?? null;
    case 'retry':
      return control.retry(request.id);
    case 'hold':
      return control.hold(request.id);
    case 'release':
      return control.release(request.id);
    case 'delete':
      return control.remove(request.id);
    case 'route':
      return control.route(request);
    case 'erase':
      return control.erase(request);
    case 'erasures':
      return control.erasures();
    case 'messages':
      return control.messages(request);
    case 'message':
      return (await control.message(request.id)) ?? null;
    case 'destinations':
      return control.destinations(request.after, request.limit);
    case 'figures':
      return control.figures(request.span, request.after);
    case 'upstreams':
      return control.upstreams(request.after, request.limit, request.busiest);
    case 'tenants':
      return control.tenants(request.span, request.limit);
    case 'orders':
      return control.orders();
    case 'suspend':
      return control.suspend(request.selector, request.reason, request.forMs);
    case 'reroute':
      return control.reroute(request.selector, request.to, request.reason, request.forMs);
    case 'resume':
      return control.resume(request.order, request.selector);
    case 'bounce':
      return control.bounce(request.selector, request.reason);
    case 'suppressions':
      return control.suppressions(request.tenant, request.after, request.limit);
    case 'suppress':
      return control.suppress(request.tenant, request.address, request.reason, request.forMs);
    case 'unsuppress':
      return control.unsuppress(request.tenant, request.address);
    case 'webhooks':
      return control.webhooks();
    case 'test-webhook':
      return control.testWebhook(request.name);
    case 'resume-webhook':
      return control.resumeWebhook(request.name);
    case 'events':
      throw new Error('there are no events to be had here');
  }
}

async function answer(control: EngineControl, request: ControlRequest | string): Promise<ControlResponse> {
  if (typeof request === 'string') return { ok: false, error: request };
  try {
    return { ok: true, result: await perform(control, request) };
  } catch (thrown) {
    return {
      ok: false,
      error: thrown instanceof Error ? thrown.message : String(thrown),
    };
  }
}

function writeAll(stream: Duplex, response: ControlResponse): Promise<void> {
  return new Promise((resolve) => {
    stream.write(`${JSON.stringify(response)}\n`, () => resolve());
  });
}

/** Serves one client until its stream ends; never rejects. `subscribe`: to events of mail, where there are any. */
export async function serveControl(
  stream: Duplex,
  control: EngineControl,
  subscribe: Subscribe | null = null,
): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  stream.on('error', () => stream.destroy());
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      for (let end = held.indexOf(LINE_END); end >= 0; end = held.indexOf(LINE_END)) {
        const line = held.toString('utf8', 0, end).trim();
        held = held.subarray(end + 1);
        if (end > MAX_REQUEST) break;
        if (line === '') continue;
        const request = parseRequest(line);
        if (typeof request !== 'string' && request.command === 'events' && subscribe !== null)
          await streamEvents(stream, request, subscribe);
        else await writeAll(stream, await answer(control, request));
      }
      if (held.length > MAX_REQUEST) {
        await writeAll(stream, {
          ok: false,
          error: `the request is longer than ${MAX_REQUEST} bytes`,
        });
        break;
      }
    }
  } catch {
    // The client went away: there is nobody to tell.
  }
  stream.end();
}
