import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emptyExport, restoreExport, trashedExports, trashExport } from '../../../src-main/runs/export-trash.ts';
import { emptyRun, trashRun } from '../../../src-main/runs/trash.ts';
import { newRun, temporaryFolder } from './state.ts';

const code = (name: string) => expect.objectContaining({ code: name }) as Error;
const entries = (folder: string) => readdirSync(folder).sort();

/** An export of two shards with its check. */
function exported(folder: string): { path: string; files: string[] } {
  mkdirSync(folder, { recursive: true });
  const names = ['a.safetensors.index.json', 'a-00001-of-00002.safetensors', 'a-00002-of-00002.safetensors'];
  for (const name of [...names, 'a.safetensors.index.json.check.json']) writeFileSync(join(folder, name), name);
  const [path, ...files] = names.map((name) => join(folder, name));
  return { path, files };
}

it('takes all files of an export away and brings them back, also from elsewhere', () => {
  const run = newRun();
  for (const folder of [join(run, 'exports'), join(temporaryFolder(), 'elsewhere')]) {
    const { path, files } = exported(folder);
    const before = entries(folder).filter((name) => name !== 'trashed.json');
    trashExport(run, path, files, 5);
    expect(entries(folder).filter((name) => name !== 'trashed.json')).toEqual(['.trashed-5']);
    const bytes = before.join('').length;
    expect(trashedExports(run)).toEqual([{ name: 'export-5', path, time: 5, bytes }]);

    writeFileSync(files[0], 'written since');
    expect(() => restoreExport(run, 'export-5')).toThrow(code('file.exists'));
    expect(readFileSync(files[0], 'utf8')).toBe('written since');
    trashExport(run, files[0], [], 5);
    expect(trashedExports(run).map(({ name }) => name)).toEqual(['export-6', 'export-5']);
    restoreExport(run, 'export-5');
    expect(emptyExport(run, 'export-6')).toBe('written since'.length);
    expect(entries(folder).filter((name) => name !== 'trashed.json')).toEqual(before);
    for (const name of before) expect(readFileSync(join(folder, name), 'utf8')).toBe(name);
    expect(() => restoreExport(run, 'export-5')).toThrow(code('file.missing'));
    expect(trashedExports(run)).toEqual([]);
  }
});

it('brings back what a crash left half way', () => {
  const [run, folder] = [newRun(), temporaryFolder()];
  const { path, files } = exported(folder);
  const before = entries(folder);
  mkdirSync(join(folder, '.trashed-7'));
  mkdirSync(join(run, 'exports'));
  const names = [path, ...files].map((file) => file.slice(folder.length + 1));
  writeFileSync(join(run, 'exports/trashed.json'), JSON.stringify([{ path, time: 7, files: names }]));
  expect(trashedExports(run)).toEqual([]);
  writeFileSync(join(folder, '.trashed-7', names[0]), readFileSync(path));
  writeFileSync(join(folder, '.trashed-7', names[1]), readFileSync(files[0]));
  for (const gone of [path, files[0]]) trashExport(run, gone, [], 9);
  restoreExport(run, 'export-7');
  expect(entries(folder).filter((name) => !name.startsWith('.'))).toEqual(
    before.filter((name) => !name.endsWith('.check.json')),
  );
});

it('names two of the same moment apart, wherever they were', () => {
  const run = newRun();
  const paths = [temporaryFolder(), temporaryFolder()].map((folder) => exported(folder).path);
  for (const path of paths) trashExport(run, path, [], 5);
  expect(trashedExports(run).map(({ name, path }) => [name, path])).toEqual([
    ['export-6', paths[1]],
    ['export-5', paths[0]],
  ]);
});

it('goes with its run for good', () => {
  const [run, folder] = [newRun(), temporaryFolder()];
  for (const place of [join(run, 'exports'), folder]) {
    const { path, files } = exported(place);
    trashExport(run, path, files);
  }
  trashRun(run);
  emptyRun(run);
  expect(existsSync(run)).toBe(false);
  expect(entries(folder)).toEqual([]);
});

it('touches nothing that a list from elsewhere names', () => {
  const [run, folder] = [newRun(), temporaryFolder()];
  mkdirSync(join(run, 'exports'));
  mkdirSync(join(folder, '.trashed-1'));
  writeFileSync(join(folder, 'own'), '');
  const hostile = [
    { path: join(folder, '../own'), time: 1, files: ['../own'] },
    { path: join(folder, 'own'), time: 1, files: ['own', '../own'] },
    { path: join(folder, 'own'), time: '1/..', files: ['own'] },
    { path: join(folder, '..'), time: 1, files: ['..'] },
    null,
  ];
  for (const one of hostile) {
    writeFileSync(join(run, 'exports/trashed.json'), JSON.stringify([one]));
    expect(trashedExports(run)).toEqual([]);
    expect(() => emptyExport(run, 'export-1')).toThrow(code('file.missing'));
  }
  expect(existsSync(join(folder, 'own'))).toBe(true);
});
