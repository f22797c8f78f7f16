import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { givenPath, wholePath } from '../../../src-main/shells/electron/given-path.ts';

test('a start without a path gives none', () => {
  expect(givenPath(['stillhouse', '--no-sandbox'], '/home/a', true)).toBeNull();
  expect(givenPath(['electron', '--no-sandbox', '.'], '/home/a', false)).toBeNull();
});

test('a path is meant from where the app was started, as a path or as a desktop writes it', () => {
  const images = resolve('/home/a', 'images');
  expect(givenPath(['stillhouse', 'images', '--no-sandbox'], '/home/a', true)).toBe(images);
  expect(givenPath(['electron', '--no-sandbox', '.', 'images'], '/home/a', false)).toBe(images);
  expect(wholePath('file:///home/a/two%20words.yaml', '/')).toBe(resolve('/home/a/two words.yaml'));
});

test('what can be no path is none', () => {
  for (const given of ['a\0b', 'x'.repeat(5000), 'file:///a%2Fb', 'file://%zz'])
    expect(wholePath(given, '/home/a')).toBeNull();
});
