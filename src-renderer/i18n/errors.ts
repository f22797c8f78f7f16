import { ERRORS, fill, type ErrorWords, type PlainError } from '../../src-main/protocol/errors.ts';
import { zhErrors } from './errors.zh-CN.ts';
import { translatePhrase } from './phrases.ts';

/** An error in the language of the window. A code that this window does not know keeps its English message. */
export function describeError(error: PlainError, locale: string): ErrorWords {
  if (!Object.prototype.hasOwnProperty.call(ERRORS, error.code)) return { says: error.message, advice: '' };
  const english: ErrorWords = ERRORS[error.code];
  const words = locale === 'zh-CN' ? zhErrors[error.code] : english;
  const params = Object.fromEntries(
    Object.entries(error.params).map(([name, value]) => [
      name,
      typeof value === 'string' ? translatePhrase(value, locale) : value,
    ]),
  );
  return { says: tidy(fill(words.says, params)), advice: fill(words.advice, params) };
}

/** A parameter that ends in a full stop of its own makes no second one. */
function tidy(text: string): string {
  return text.replace(/\.\.$/, '.').replace(/[.。]。$/, '。');
}
