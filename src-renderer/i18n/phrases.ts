/**
 * Fragments that the service puts into its errors, such as the reason of a failure: fixed English, so that they can
 * be told in Chinese too. What is not listed, the words of the system for example, stays as it is.
 */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/^a whole number from (\S+) to (\S+)$/, '$1 到 $2 之间的整数'],
  [/^a number from (\S+) to (\S+)$/, '$1 到 $2 之间的数'],
  [/^true or false$/, 'true 或 false'],
  [/^one of (.+)$/, '以下之一：$1'],
  [/^text$/, '文本'],
  [/^a multiple of (\S+)$/, '$1 的倍数'],
];

/** `text` in the window's language where it is a known phrase. */
export function translatePhrase(text: string, locale: string): string {
  if (locale !== 'zh-CN') return text;
  const known = PHRASES.find(([pattern]) => pattern.test(text));
  return known ? text.replace(known[0], known[1]) : text;
}
