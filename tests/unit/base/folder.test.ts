import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { finishLeftovers, textFile, writeFilesAtomic, writeFolderAtomic } from '../../../src-main/base/folder.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { ended, firstLine, startChild } from '../runs/child.ts';

const root = mkdtempSync(join(tmpdir(), 'stillhouse-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(root, 'x-'));
const texts = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));

/** The id of a process that is gone. */
async function goneId(): Promise<number> {
  const child = await startChild('batch', fresh(), '0');
  await firstLine(child);
  child.kill('SIGKILL');
  await ended(child);
  return child.pid!;
}

test('files that belong together are of one time, whenever their writer is killed', async () => {
  const folder = fresh();
  for (const [at, work] of [0, 20, 3000, 9000, 60_000, 200_000].entries()) {
    const child = await startChild('batch', folder, String(1000 * (at + 1)));
    await firstLine(child);
    // The kill falls somewhere in the writing: what is counted here takes another time on each machine.
    for (let turn = 0; turn < work; turn++) if (turn % 500 === 0) await new Promise((next) => setImmediate(next));
    child.kill('SIGKILL');
    await ended(child);
    await finishLeftovers(folder);
    const found = texts(folder);
    expect(Object.keys(found)).toHaveLength(41);
    expect(new Set(Object.values(found)).size).toBe(1);
  }
});

test('a folder that cannot be made is refused, and does not keep anybody waiting', async () => {
  const file = join(fresh(), 'file');
  writeFileSync(file, '');
  // Linux' /proc says of every new folder in it that it is not there; elsewhere a file is in the way there too.
  const places = [join(file, 'a', 'b'), ...(process.platform === 'linux' ? ['/proc/none/deeper'] : [])];
  for (const place of places)
    await expect(writeFilesAtomic(place, [textFile('a', 'a')])).rejects.toMatchObject({ code: 'disk.denied' });
  const made = join(fresh(), 'one', 'two');
  await writeFilesAtomic(made, [textFile('a', 'b')]);
  expect(texts(made)).toEqual({ a: 'b' });
});

test('what was whole and not yet in its place is put there, what was not goes', async () => {
  const [folder, writer] = [fresh(), await goneId()];
  const left = (name: string, files: Record<string, string>): void => {
    mkdirSync(join(folder, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
  };
  await writeFilesAtomic(folder, [textFile('a.onnx', 'old'), textFile('a.onnx.data', 'old')]);
  // It was killed between two moves.
  left(`.a.onnx.${writer}.0123456789ab.tmp.files`, { 'a.onnx': 'new' });
  writeFileSync(join(folder, 'a.onnx.data'), 'new');
  left(`.b.onnx.${writer}.0123456789ab.tmp`, { 'b.onnx.data': 'half' });
  left(`.c-timm.${writer}.0123456789ab.tmp.folder`, { config: 'whole' });
  left('c-timm', { config: 'old', other: 'old' });
  left(`.d-timm.${process.pid}.0123456789ab.tmp.folder`, { config: 'of one that works on it' });
  await finishLeftovers(folder);
  expect(readdirSync(folder).sort()).toEqual([`.d-timm.${process.pid}.0123456789ab.tmp.folder`, 'a.onnx', 'a.onnx.data', 'c-timm']); // prettier-ignore
  expect(readFileSync(join(folder, 'a.onnx'), 'utf8')).toBe('new');
  expect(texts(join(folder, 'c-timm'))).toEqual({ config: 'whole' });
});

test('a writing that fails leaves the old files, and nothing of its own', async () => {
  const folder = fresh();
  await writeFilesAtomic(folder, [textFile('a', 'old'), textFile('b', 'old')]);
  const failing = {
    name: 'b',
    bytes: 3,
    *chunks() {
      yield Buffer.from('n');
      throw new StillhouseError('job.cancelled');
    },
  };
  await expect(writeFilesAtomic(folder, [textFile('a', 'new'), failing])).rejects.toMatchObject({ code: 'job.cancelled' }); // prettier-ignore
  await expect(writeFolderAtomic(join(folder, 'c'), [failing], () => true)).rejects.toMatchObject({ code: 'job.cancelled' }); // prettier-ignore
  mkdirSync(join(folder, 'd'));
  await expect(writeFilesAtomic(folder, [textFile('e', 'new'), textFile('d', 'new')])).rejects.toMatchObject({
    ...{ code: 'disk.denied', params: { path: join(folder, 'e') } },
  });
  rmSync(join(folder, 'd'), { recursive: true });
  expect(texts(folder)).toEqual({ a: 'old', b: 'old' });
});
