const KEYS: Readonly<Record<string, 'en' | 'zh'>> = { en: 'en', 'zh-CN': 'zh' };

/** Names a synset in the window's language. */
export function titleOf(title: { en: string; zh: string }, locale: string): string {
  return title[KEYS[locale] ?? 'en'];
}
