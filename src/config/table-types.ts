/**
 * What tables of the configuration file have in common: unknown keys named with those allowed, names given once, one
 * value or a list of them.
 */
import { z } from 'zod';
import { isValue, type ValueType } from './value-type.js';

/** One table of `[[name]]`: its keys and no others. */
export function tableOf<S extends z.ZodRawShape>(name: string, shape: S) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `allowed: ${Object.keys(shape).join(', ')}`
        : `allowed: a table of its own, [[${name}]]`,
  });
}

/** A check for `superRefine`: each name once; '' is no name. */
export function once(table: string) {
  return (items: readonly { readonly name: string }[], context: z.RefinementCtx): void => {
    const seen = new Map<string, number>();
    items.forEach(({ name }, index) => {
      const before = name === '' ? undefined : seen.get(name);
      if (before === undefined) seen.set(name, index);
      else
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `allowed: once; ${table}[${before + 1}] has it already`,
        });
    });
  };
}

/** A list that may be given as one value alone; not given, undefined. */
export function oneOrList<T extends z.ZodType>(list: T) {
  return z.preprocess((given) => (typeof given === 'string' ? [given] : given), list.optional());
}

/** A value as the environment has them: text with a unit, or a plain number. */
export function withUnit(type: ValueType<number>) {
  const error = `allowed: ${type.allowed}`;
  return z.union([z.string(), z.number()], { error }).transform((given, context): number => {
    const parsed = type.parse(String(given));
    if (isValue(parsed)) return parsed.value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}
