import { ERRORS, type ErrorCode, type ErrorWords, type PlainError } from '../../src-main/protocol/errors.ts';
import { fillWith } from '../../src-main/protocol/reasons.ts';
import { zhErrors } from './errors.zh-CN.ts';
import { describeReason } from './reasons.ts';

const TABLES: Record<string, Record<ErrorCode, ErrorWords>> = { en: ERRORS, 'zh-CN': zhErrors };

/** Says an error in the language of the window. A code that this window does not know keeps its English message. */
export function describeError({ code, params, message }: PlainError, locale: string): ErrorWords {
  if (!Object.prototype.hasOwnProperty.call(ERRORS, code)) return { says: message, advice: '' };
  const { says, advice } = (TABLES[locale] ?? ERRORS)[code];
  const inWords = (template: string): string => fillWith(template, params, (value) => describeReason(value, locale));
  return { says: tidy(inWords(says)), advice: inWords(advice) };
}

/** A parameter that ends in a full stop of its own makes no second one. */
function tidy(text: string): string {
  return text.replace(/\.\.$/, '.').replace(/[.。]。$/, '。');
}
