/** Names a synset in the window's language. */
export function titleOf(title: { en: string; zh: string }, locale: string): string {
  return locale === 'zh-CN' ? title.zh : title.en;
}
