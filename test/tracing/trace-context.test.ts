/** Trace contexts: read from submitters, kept with messages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptContext, newSpanId, newTraceId, readContext, readTraceparent } from '../../src/tracing/trace-context.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('a traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [`00-${TRACE}-${SPAN}-03`, true],
    [`cc-${TRACE}-${SPAN}-01-what-comes-later`, true],
  ])('%s is taken', (text, sampled) => {
    expect(readTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
  });

  it.each([
    '',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    ` 00-${TRACE}-${SPAN}-01`,
  ])('%j is none', (text) => {
    expect(readTraceparent(text)).toBeNull();
  });
});

describe('a kept context', () => {
  it('is read back, and bounded', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.double({ min: 0, max: 4e12, noNaN: true }), (below, begun) => {
        const context = { traceId: newTraceId(), spanId: newSpanId(), parentId: below ? newSpanId() : '', begun };
        const kept = keptContext(context);
        expect(kept.length).toBeLessThanOrEqual(80);
        expect(readContext(kept)).toEqual({ ...context, begun: Math.floor(begun) });
      }),
    );
  });

  it('that is none is not taken', () => {
    for (const text of [undefined, '', 'x', `${TRACE}-${SPAN}`, `${TRACE}-${SPAN}-x-1`])
      expect(readContext(text)).toBeNull();
  });
});
