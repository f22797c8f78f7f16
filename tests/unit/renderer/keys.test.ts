import { describe, expect, test } from 'vitest';
import {
  ariaKey,
  describeKey,
  isReserved,
  isTypedKey,
  keyOf,
  type Press,
} from '../../../src-renderer/components/shell/keys.ts';

/** `held` holds c, a, s, m for Ctrl, Alt, Shift and the Meta key. */
function press(key: string, code: string, held = '', altGraph = false): Press {
  return {
    key,
    code,
    ctrlKey: held.includes('c'),
    altKey: held.includes('a'),
    shiftKey: held.includes('s'),
    metaKey: held.includes('m'),
    isComposing: false,
    getModifierState: () => altGraph,
  };
}
const pc = (...of: Parameters<typeof press>): string => keyOf(press(...of), false);
const mac = (...of: Parameters<typeof press>): string => keyOf(press(...of), true);

describe('a key that is pressed', () => {
  test('is told by what it types, modifiers in one order', () => {
    expect(pc('k', 'KeyK', 'c')).toBe('Mod+K');
    expect(pc('P', 'KeyP', 'cs')).toBe('Mod+Shift+P');
    expect(pc('p', 'KeyR', 'a')).toBe('Alt+P');
    expect(pc('?', 'Slash', 's')).toBe('?');
    expect(pc(',', 'Comma', 'c')).toBe('Mod+,');
    expect(pc('+', 'Equal', 'cs')).toBe('Mod++');
    expect(pc(' ', 'Space', 'cs')).toBe('Mod+Shift+Space');
    expect(pc('Enter', 'Enter', 'c')).toBe('Mod+Enter');
    expect(pc('F6', 'F6')).toBe('F6');
  });

  test('is told by its place where a layout types other signs', () => {
    expect(pc('&', 'Digit1', 'c')).toBe('Mod+1');
    expect(pc('л', 'KeyK', 'c')).toBe('Mod+K');
    expect(mac('π', 'KeyP', 'a')).toBe('Alt+P');
    expect(mac('¡', 'Digit1', 'a')).toBe('Alt+1');
    // A German slash is Shift and 7.
    expect(pc('/', 'Digit7', 's')).toBe('/');
  });

  test('is ⌘ on a Mac, and Ctrl elsewhere', () => {
    expect(mac('k', 'KeyK', 'm')).toBe('Mod+K');
    expect(mac('k', 'KeyK', 'c')).toBe('');
    expect(pc('k', 'KeyK', 'm')).toBe('');
  });

  test('is none while a modifier, AltGr or an input method is at work', () => {
    expect(pc('Control', 'ControlLeft', 'c')).toBe('');
    expect(pc('Dead', 'KeyE', 'a')).toBe('');
    expect(pc('ś', 'KeyS', 'ca', true)).toBe('S');
    expect(keyOf({ ...press('k', 'KeyK', 'c'), isComposing: true }, false)).toBe('');
  });
});

test('a key that types counts only where nothing is typed', () => {
  expect(['?', 'Shift+A', 'X'].map((key) => isTypedKey(key, false))).toEqual([true, true, true]);
  expect(['Mod+K', 'Alt+P', 'F6', 'Shift+F6'].map((key) => isTypedKey(key, false))).toEqual(Array(4).fill(false));
  expect(isTypedKey('Alt+P', true)).toBe(true);
});

test('keys that edit, work controls or belong to a browser cannot be had', () => {
  for (const key of ['Mod+C', 'Mod+Z', 'Tab', 'Shift+Tab', 'Enter', 'Escape', 'F5'])
    expect(isReserved(key, false)).toBe(true);
  expect([isReserved('Mod+1', true), isReserved('Mod+1', false)]).toEqual([true, false]);
  expect([isReserved('Mod+K', true), isReserved('Mod+Enter', true)]).toEqual([false, false]);
});

test('a key is written for people and for screen readers', () => {
  expect(describeKey('Mod+Shift+P', false)).toBe('Ctrl+Shift+P');
  expect(describeKey('Mod+Shift+P', true)).toBe('⌘⇧P');
  expect(describeKey('Mod++', false)).toBe('Ctrl++');
  expect(describeKey('+', false)).toBe('+');
  expect(describeKey('', false)).toBe('');
  expect([ariaKey('Mod+K', false), ariaKey('Mod+K', true)]).toEqual(['Control+K', 'Meta+K']);
});
