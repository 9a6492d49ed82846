/**
 * The language of the control socket: one JSON object a line each way, answers in the order of the requests.
 */

import type { EventFilter } from '../telemetry/event-filter.js';
import type { MailSelector, QueueChange, RouteQuestion } from './engine-control.js';
import type { Span } from './live-reports.js';
import type { ErasureOrder, MessageQuestion } from './message-reports.js';

/** Bytes of one request line at most. */
export const MAX_REQUEST = 16 * 1024;
/** Entries of one page at most; further ones by `after`. */
export const MAX_PAGE = 1000;
/** Messages of one page of the history at most. */
export const MAX_MESSAGES = 200;

/** Ids of one change at most. */
export const MAX_IDS = 500;

export const ID_COMMANDS = ['show', 'why', 'retry', 'hold', 'release', 'delete', 'message'] as const;

/** Commands on one message; `retry` also takes `all`. */
export type IdCommand = (typeof ID_COMMANDS)[number];

export type ControlRequest =
  | { readonly command: 'status' | 'orders' | 'erasures' }
  | { readonly command: 'list' | 'details' | 'destinations'; readonly after: string; readonly limit: number }
  | { readonly command: 'figures'; readonly span: Span; readonly after: number }
  | { readonly command: 'upstreams'; readonly after: string; readonly limit: number; readonly busiest: boolean }
  | { readonly command: 'tenants'; readonly span: Span; readonly limit: number }
  | { readonly command: IdCommand; readonly id: string }
  | { readonly command: 'content'; readonly id: string; readonly offset: number }
  | { readonly command: 'change'; readonly action: QueueChange; readonly ids: readonly string[] }
  | ({ readonly command: 'route' } & RouteQuestion)
  | ({ readonly command: 'messages' } & MessageQuestion)
  | ({ readonly command: 'erase' } & ErasureOrder)
  | {
      readonly command: 'suspend' | 'bounce';
      readonly selector: MailSelector;
      readonly reason: string;
      /** ms, 0: without an end. Nothing to a bounce. */
      readonly forMs: number;
    }
  | {
      readonly command: 'reroute';
      readonly selector: MailSelector;
      readonly to: string;
      readonly reason: string;
      readonly forMs: number;
    }
  | { readonly command: 'resume'; readonly order: string; readonly selector: MailSelector }
  | {
      readonly command: 'suppressions';
      readonly tenant: string;
      readonly after: string;
      readonly limit: number;
    }
  | {
      readonly command: 'suppress';
      readonly tenant: string;
      readonly address: string;
      readonly reason: string;
      readonly forMs: number;
    }
  | { readonly command: 'unsuppress'; readonly tenant: string; readonly address: string }
  | { readonly command: 'webhooks' }
  | { readonly command: 'test-webhook' | 'resume-webhook'; readonly name: string }
  | EventRequest;

/** Answered by events, a line each, until the client goes away; nothing may follow it. */
export type EventRequest = { readonly command: 'events' } & EventFilter;

export type ControlResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: string };
