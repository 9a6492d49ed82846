/**
 * Why mail was refused: from a reply (or a reason of our own in words) to a category and whether the address is dead.
 *
 * Contract: every text has a category; precise words decide before general ones, words before codes, enhanced codes before
 * plain ones. Hard are only categories about the address itself, and only where the reply is final. Answers to the texts
 * seen last are remembered (a host that refuses everything says the same each time); delivered mail is never asked about.
 */
import { type Bounce, type BounceCategory, isAddressFault } from './bounce-category.js';
import { type BounceRule, BY_CODE, BY_ENHANCED, PHRASES, PROVIDER_RULES } from './bounce-rules.js';

/** As smtp/client-host.ts; what a reply was about where its words do not say. */
export type BounceStage = 'mail' | 'rcpt' | 'data' | 'content';

/** Texts remembered. */
const MAX_KNOWN = 512;
/** A longer text is judged by its beginning, characters. */
const MAX_TEXT = 1500;

const known = new Map<string, Bounce>();
/** One object for each pair, so that nothing is made for a known kind. */
const bounces = new Map<string, Bounce>();

/**
 * Classifies a refusal. `enhanced`: its enhanced code, `5.0.0` or '' where it had none; `reply`: code, enhanced code and
 * text, or words without a code. `stage`: what was refused, where that is known.
 */
export function classify(enhanced: string, reply: string, stage?: BounceStage): Bounce {
  const remembered = stage === undefined ? known.get(reply) : undefined;
  if (remembered !== undefined) return remembered;
  const bounce = judge(enhanced, reply, stage);
  if (stage === undefined) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(reply, bounce);
  }
  return bounce;
}

function judge(enhanced: string, reply: string, stage: BounceStage | undefined): Bounce {
  const text = (reply.length > MAX_TEXT ? reply.slice(0, MAX_TEXT) : reply).toLowerCase();
  const code = /^[45]\d\d(?!\d)/.test(text) ? Number(text.slice(0, 3)) : 0;
  const category = byWords(text) ?? byEnhanced(enhanced) ?? byCode(code, stage);
  const final = code !== 0 ? code >= 500 : enhanced.startsWith('5');
  return bounceOf(category, final && isAddressFault(category));
}

function byWords(text: string): BounceCategory | undefined {
  return firstOf(PROVIDER_RULES, text) ?? firstOf(PHRASES, text.replace(/\S+@\S+/g, '').replace(/\s{2,}/g, ' '));
}

function firstOf(rules: readonly BounceRule[], text: string): BounceCategory | undefined {
  for (const [category, words] of rules) if (words.test(text)) return category;
  return undefined;
}

function byEnhanced(enhanced: string): BounceCategory | undefined {
  const found = BY_ENHANCED[enhanced.slice(2)];
  return found === 'other' ? undefined : found;
}

function byCode(code: number, stage: BounceStage | undefined): BounceCategory {
  const found = BY_CODE[code];
  if (found !== undefined && found !== 'other') return found;
  // A recipient that is refused without a word is most likely none; anything else without a word is somebody's policy.
  if (code === 550 && stage === 'rcpt') return 'bad-mailbox';
  if (code >= 500) return stage === 'content' || stage === 'data' ? 'content' : 'policy';
  return 'other';
}

function bounceOf(category: BounceCategory, hard: boolean): Bounce {
  const key = `${category}${hard ? '!' : ''}`;
  let bounce = bounces.get(key);
  if (bounce === undefined) {
    bounce = { category, hard };
    bounces.set(key, bounce);
  }
  return bounce;
}
