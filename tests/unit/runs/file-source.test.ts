import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openFile } from '../../../src-main/runs/file-source.ts';
import { temporaryFolder } from './state.ts';

const code = (name: string) => expect.objectContaining({ code: name }) as Error;

it('reads a file at any place, in memory of its own that float32 can view', () => {
  const path = join(temporaryFolder(), 'a');
  writeFileSync(path, Buffer.from([0, 1, 2, 3, 4, 5]));
  const file = openFile(path);
  const read = file.read(1, 4);
  expect([file.size, [...read]]).toEqual([6, [1, 2, 3, 4]]);
  expect([read.byteOffset, read.buffer.byteLength]).toEqual([0, 4]);
  expect(file.read(6, 0).length).toBe(0);
  truncateSync(path, 3);
  expect(() => file.read(1, 4)).toThrow(code('weights.format'));
  file.close();
  file.close();
});

it('says what is no file', () => {
  const folder = temporaryFolder();
  expect(() => openFile(folder)).toThrow(code('file.missing'));
  expect(() => openFile(join(folder, 'nothing'))).toThrow(code('file.missing'));
  writeFileSync(join(folder, 'a'), '');
  expect(() => openFile(join(folder, 'a/b'))).toThrow(code('file.unreadable'));
});
