import { app } from 'electron';
import { desktopText, readDesktopSettings, type DesktopSettings, type DesktopText } from '../../protocol/desktop.ts';

let current: DesktopSettings = { locale: 'en', notify: true, keepAwake: true };
const listeners: (() => void)[] = [];

/** Returns the window's preferences; until it has sent them, the system's language and the usual values. */
export function settings(): DesktopSettings {
  return current;
}

/** Returns a native text in the window's language. */
export function say(name: DesktopText, params?: Record<string, string | number>): string {
  return desktopText(current.locale, name, params);
}

/** Hears of changed preferences. */
export function onSettings(listener: () => void): void {
  listeners.push(listener);
}

/** Begins with the system's language. Call it when the app is ready. */
export function useSystemLanguage(): void {
  current = { ...current, locale: /^zh\b/i.test(app.getLocale()) ? 'zh-CN' : 'en' };
}

/** Takes the preferences that a window sent; ignores malformed ones. */
export function takeSettings(given: unknown): void {
  const told = readDesktopSettings(given);
  if (!told) return;
  current = told;
  for (const listener of listeners) listener();
}
