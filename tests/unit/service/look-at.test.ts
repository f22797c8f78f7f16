import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lookAt } from '../../../src-main/service/look-at.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-look-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function lying(name: string, content = ''): string {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

test('folders are runs by their run.json, and data else', () => {
  const run = join(lying('run/run.json', '{}'), '..');
  const data = join(lying('images/train/a/1.png'), '../../..');
  expect([run, data].map((path) => lookAt(path).kind)).toEqual(['run', 'data']);
});

test('files are what their names say', () => {
  const kinds = {
    'a.pth': 'weights',
    'b.SafeTensors': 'weights',
    'model.safetensors.index.json': 'weights',
    'c.tar': 'data',
    'd.tar.gz': 'data',
    'e.tgz': 'data',
  };
  for (const [name, kind] of Object.entries(kinds))
    expect(lookAt(lying(name))).toEqual({ kind, path: join(folder, name), reading: null });
});

test('whatever the desktop is told that it opens can be opened', () => {
  const { build } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    build: {
      fileAssociations: { ext: string | string[] }[];
      mac: { fileAssociations: { ext: string | string[] }[] };
    };
  };
  const extensions = [...build.fileAssociations, ...build.mac.fileAssociations].flatMap(({ ext }) => ext);
  expect(extensions).toEqual(['safetensors', 'yaml', 'yml']);
  for (const extension of extensions)
    expect(lookAt(lying(`own.${extension}`, 'epochs: 7\n')).kind).toMatch(/recipe|weights/);
});

test('a recipe is read at once, its paths from where it lies', () => {
  const path = lying('recipes/mine.yml', 'epochs: 7\nfinetune: weights/w.pth\n');
  expect(lookAt(path)).toEqual({
    kind: 'recipe',
    path,
    reading: { values: { epochs: 7, finetune: join(folder, 'recipes/weights/w.pth') }, problems: [], unused: [] },
  });
  expect(lookAt(lying('wrong.json', '{"epochs": "many"}')).reading?.problems).toHaveLength(1);
});

test('what cannot be opened says so', () => {
  const refusal = (path: string): unknown => {
    try {
      return lookAt(path);
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  expect(refusal(join(folder, 'nowhere.yaml'))).toBe('file.missing');
  expect(refusal(lying('notes.txt'))).toBe('file.unknown');
  expect(refusal('/dev/null')).toBe('file.unknown');
  expect(refusal(lying('large.yaml', ' '.repeat(256 * 1024 + 1)))).toBe('file.unreadable');
});
