/**
 * Webhooks: how it goes with them, a test, and resuming one that was disabled.
 */
import { z } from 'zod';
import { page } from './answers.js';
import { type Endpoint, endpoint } from './endpoint.js';
import { Problem } from './problem.js';

const when = z.number().describe('ms since the epoch, 0: none');

export const webhook = z.object({
  name: z.string(),
  url: z.string().describe('without its query'),
  queued: z.number().describe('events that wait'),
  bytes: z.number(),
  oldest: when,
  sent: z.number(),
  failures: z.number(),
  dropped: z.number(),
  lastAnswer: z.string(),
  lastAnswerAt: when,
  retryAt: when,
  disabled: z.string().describe('why it is told nothing until it is resumed, "" when it is told'),
});
export const webhookTest = z.object({ status: z.number().describe('0: no answer'), answer: z.string() });

/** A name that is not there is a path that is not there. */
async function named<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code !== 'no-such-webhook') throw thrown;
    throw new Problem(404, 'no-such-webhook', (thrown as Error).message);
  }
}

export const webhookEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/webhooks',
    summary: 'What waits for each webhook, and how it answers.',
    answer: page(webhook),
    run: ({ control }) => ({ items: control().webhooks(), next: null }),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/webhooks/{name}/test',
    summary: 'Sends one signed request without events, and says what was answered.',
    answer: webhookTest,
    run: ({ params, control }) => named(control().testWebhook(params['name']!)),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/webhooks/{name}/resume',
    summary: 'Tries a webhook again now, also one that was disabled.',
    answer: webhook,
    run: ({ params, control }) => named(control().resumeWebhook(params['name']!)),
  }),
];
