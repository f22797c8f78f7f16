import { expect, test } from 'vitest';
import {
  DESKTOP_TEXTS,
  desktopText,
  readDesktopSettings,
  type DesktopText,
} from '../../../src-main/protocol/desktop.ts';

const names = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g))].sort();

test('every native text is there in both languages, with the same {names}', () => {
  const { en, 'zh-CN': zh } = DESKTOP_TEXTS;
  for (const name of Object.keys(en) as DesktopText[]) {
    expect(zh[name]).toMatch(/[\u4e00-\u9fff]|^\{line\}/);
    expect([name, names(zh[name])]).toEqual([name, names(en[name])]);
  }
  expect(desktopText('zh-CN', 'progress', { epoch: 1, epochs: 3, percent: 20 })).toBe('第 1/3 轮，20 %');
});

test('preferences are taken whole or not at all', () => {
  const good = { locale: 'zh-CN', notify: true, keepAwake: false };
  expect(readDesktopSettings(good)).toEqual(good);
  for (const bad of [null, 'en', [], {}, { ...good, locale: 'fr' }, { ...good, notify: 1 }, { ...good, more: true }])
    expect(readDesktopSettings(bad)).toBeNull();
});
