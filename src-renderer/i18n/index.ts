import { createI18n } from 'vue-i18n';
import en from './en.ts';
import zh from './zh-CN.ts';

/** Makes the window's two languages. The language itself is a preference, which the application follows. */
export function createTranslations() {
  return createI18n({
    legacy: false,
    locale: 'en',
    fallbackLocale: 'en',
    messages: { en, 'zh-CN': zh },
    // Paths such as train/<class>/ are no markup, and no message is ever inserted as such.
    warnHtmlMessage: false,
  });
}
