import * as v from 'valibot';
import { type ErrorCode, type ErrorParams, type PlainError } from './errors.ts';
import { reason, type Reason, type ReasonCode, type ReasonValue } from './reasons.ts';

/**
 * Building blocks of the schemas of answers and events. They are the one source of the types: an answer's shape stands
 * in the file of its subject (`*-data.ts`, `events.ts`, …), its type is inferred there, and `rpc.ts` holds what arrives
 * against it.
 */
export const text = v.string();
export const flag = v.boolean();

/** Any number, NaN and the infinities too: between processes not everything is JSON. */
export const number = v.custom<number>((value) => typeof value === 'number', 'a number');

/** A number as it was measured. JSON has null where it is not finite; that is NaN then. */
export const measured = v.pipe(
  v.custom<number | null>((value) => typeof value === 'number' || value === null, 'a number'),
  v.transform((value): number => value ?? NaN),
);

/** Many numbers: looked at in one loop, and not copied. */
export const numbers = v.custom<number[]>(
  (value) => Array.isArray(value) && value.every((one) => typeof one === 'number'),
  'numbers',
);
/** Many texts, as {@link numbers}. */
export const texts = v.custom<string[]>(
  (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
  'texts',
);

/** Makes the schema of one word of a list. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return v.picklist(words);
}

/** A name in both languages. */
export const title = v.optional(v.object({ en: text, zh: text }));

/** How deep reasons stand within reasons at most. */
const DEEPEST = 4;

function reasonWithin(depth: number): v.GenericSchema<Reason> {
  const value = depth > 1 ? v.union([text, number, reasonWithin(depth - 1)]) : v.union([text, number]);
  const code = v.custom<ReasonCode>((code) => typeof code === 'string', 'a code');
  return v.object({ code, params: v.record(text, value) });
}

/** Explains why something is as it is. Earlier versions wrote reasons as text. */
export const reasonOrText: v.GenericSchema<string | Reason> = v.union([text, reasonWithin(DEEPEST)]);

const errorParams: v.GenericSchema<ErrorParams> = v.record(text, v.union([text, number, reasonWithin(DEEPEST)]));

/** A failure. Its code may be one that is not known here, of another version: then its message is shown. */
export const plainError: v.GenericSchema<PlainError> = v.object({
  code: v.custom<ErrorCode>((value) => typeof value === 'string', 'a code'),
  params: errorParams,
  message: text,
});

/**
 * Says how messages are held against a schema. One problem is enough: a list of all would be as long as its sender
 * likes.
 */
export const FIRST = { abortEarly: true, abortPipeEarly: true } as const;

/** What the schemas here and their users expect beyond valibot's own words, which are code. */
const OWN_WORDS = {
  'a number': 'value.number',
  numbers: 'value.numbers',
  texts: 'value.texts',
  'a code': 'value.code',
  'an object': 'value.object',
  'a path or an id': 'value.path-or-id',
  'columns of equal length': 'value.columns',
} as const satisfies Record<string, ReasonCode>;

/** Says what a schema expected: as a reason where it has words of ours. */
export function inWords(expected: string): ReasonValue {
  const words = new Map(Object.entries(OWN_WORDS)).get(expected);
  return words ? reason(words) : expected;
}

/** Returns the first problem of a message, as parameters of an error. */
export function whatIsWrong(
  issue: v.BaseIssue<unknown>,
  of: string,
): { name: string; expected: ReasonValue; got: string } {
  const path = issue.path?.map((item) => String(item.key)).join('.') ?? '';
  const expected = issue.type === 'custom' || issue.type === 'check' ? issue.message : issue.expected;
  return {
    name: `${of}.${path}`.slice(0, 128),
    expected: inWords(expected ?? issue.message),
    got: issue.received.slice(0, 128),
  };
}
