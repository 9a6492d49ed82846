/**
 * Kinds of values that are header rules: read by the parser of the message room, so that there is one grammar.
 */
import { messageOf } from '../core/errors.js';
import {
  type FieldText,
  type HeaderRuleSettings,
  type HeaderRules,
  parseHeaderRules,
} from '../message/header-rules.js';
import type { ValueType } from './value-type.js';

function ruleType<T>(
  name: keyof HeaderRuleSettings,
  allowed: string,
  pick: (rules: HeaderRules) => T,
  format: (value: T) => string,
): ValueType<T> {
  return {
    allowed,
    unit: '',
    parse: (text) => {
      try {
        return { value: pick(parseHeaderRules({ [name]: text })) };
      } catch (thrown) {
        return { problem: messageOf(thrown) };
      }
    },
    format,
  };
}

/** Names of header fields with commas between them. */
export function fieldNames(): ValueType<readonly string[]> {
  return ruleType(
    'remove',
    'names of header fields, several with commas',
    (rules) => rules.remove,
    (value) => value.join(','),
  );
}

/** `Name: value` with ` | ` between several. `name`: the rule they are for. */
export function fieldTexts(name: 'add' | 'replace'): ValueType<readonly FieldText[]> {
  return ruleType(
    name,
    'Name: value, several with " | " between them',
    (rules) => rules[name],
    (value) => value.map((field) => `${field.name}: ${field.value}`).join(' | '),
  );
}

/** `old.example=new.example` with commas between several. */
export function domainRewrites(): ValueType<HeaderRules['rewriteDomains']> {
  return ruleType(
    'rewriteDomains',
    'old.example=new.example, several with commas',
    (rules) => rules.rewriteDomains,
    (value) => value.map((pair) => `${pair.from}=${pair.to}`).join(','),
  );
}
