import { execFileSync } from 'node:child_process';
import { appendFile, chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkImages, type CheckOptions } from '../../../src-main/data/check/check.ts';
import { findDuplicates } from '../../../src-main/data/check/duplicates.ts';
import { formatExclusions, parseExclusions } from '../../../src-main/data/layout/excluded.ts';
import { listDataset, readSample } from '../../../src-main/data/layout/folder.ts';
import { imageFacts } from '../../../src-main/data/decode/image-facts.ts';
import { encodePng } from '../../../src-main/data/decode/png.ts';
import type { DatasetReport, FindingKind } from '../../../src-main/protocol/data-types.ts';
import { asNobody } from '../../helpers/as-nobody.ts';
import { ownDecode } from '../../helpers/own-decode.ts';
import { reason, sayReason } from '../../../src-main/protocol/reasons.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/images/', import.meta.url));
let home: string;
let root: string;
let results: string;
let counter = 0;
beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), 'stillhouse-check-'))));
afterAll(() => rm(home, { recursive: true, force: true }));
beforeEach(async () => {
  root = join(home, String(counter++), 'data');
  results = join(dirname(root), 'cache', 'results.jsonl');
  await mkdir(root, { recursive: true });
});

/** A PNG that differs by `number`. */
function image(number: number): Uint8Array {
  const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, at) => (at * 7 + number * 11) % 256);
  data[0] = number % 256;
  return encodePng({ width: 8, height: 8, data });
}

async function put(file: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), bytes);
}

/** Two classes in two splits with `count` images each, all different. */
async function makeData(count = 3): Promise<void> {
  let number = 0;
  for (const split of ['train', 'val'])
    for (const name of ['a', 'b'])
      for (let at = 0; at < count; at++) await put(`${split}/${name}/${at}.png`, image(number++));
}

async function check(options: CheckOptions = {}): Promise<DatasetReport> {
  return checkImages(await listDataset(root), ownDecode, { workers: 2, ...options });
}

const filesOf = ({ findings }: DatasetReport, wanted: FindingKind): string[] =>
  findings.find(({ kind }) => kind === wanted)?.files.map(({ file }) => file) ?? [];

describe('checkImages', () => {
  it('finds what cannot be used, kind by kind, in the order of the data', async () => {
    await makeData();
    await put('train/a/0.png', 'text');
    await put('train/b/1.png', image(40).subarray(0, 60));
    await put('val/a/0.png', '');
    await put('val/b/2.png', 'more text');
    const seen: number[] = [];
    const report = await check({ onProgress: (checked) => seen.push(checked) });
    expect(report).toMatchObject({ path: root, checked: 12, total: 12, reused: 0 });
    expect(report.findings.map(({ kind, count }) => [kind, count])).toEqual([
      ['unreadable', 2],
      ['truncated', 1],
      ['empty', 1],
    ]);
    expect(report.findings[0].files[0]).toEqual({
      file: 'train/a/0.png',
      reason: reason('image.none'),
    });
    expect(filesOf(report, 'unreadable')).toEqual(['train/a/0.png', 'val/b/2.png']);
    expect(seen.at(-1)).toBe(12);
  });

  it('finds the same file in another split, in another class, and twice', async () => {
    await makeData();
    await put('val/a/leaked.png', image(0));
    await put('val/b/9.png', image(4));
    await put('train/a/again.png', image(4));
    await put('train/a/empty.png', '');
    await put('val/b/empty.png', '');
    const report = await check();
    expect(report.findings.map(({ kind, files }) => [kind, files.map(({ file }) => file)])).toEqual([
      ['empty', ['train/a/empty.png', 'val/b/empty.png']],
      ['conflict', expect.arrayContaining(['train/a/again.png', 'train/b/1.png', 'val/b/9.png'])],
      ['leak', expect.arrayContaining(['train/a/0.png', 'train/a/again.png', 'train/b/1.png'])],
      ['duplicate', ['train/b/1.png']],
    ]);
    const reasons = report.findings.flatMap(({ files }) => files.map(({ reason }) => sayReason(reason)));
    expect(reasons).toContain('the same as val/a/leaked.png');
    expect(reasons).toContain('the same as train/b/1.png, of the class b');
  });

  it('looks only at what has changed, and forgets what is gone', async () => {
    await makeData();
    await put('train/a/bad.png', 'text');
    const read: string[] = [];
    const reading: CheckOptions['read'] = (dataset, file, options) => {
      read.push(file);
      return readSample(dataset, file, options);
    };
    const first = await check({ results, read: reading });
    expect(read).toHaveLength(13);
    read.length = 0;
    const same = await check({ results, read: reading });
    expect(read).toEqual([]);
    expect(same).toEqual({ ...first, time: same.time, reused: 13 });

    await put('train/a/1.png', image(90));
    await utimes(join(root, 'train/b/1.png'), 1, 1);
    await rm(join(root, 'train/a/bad.png'));
    const changed = await check({ results, read: reading });
    expect(read.sort()).toEqual(['train/a/1.png', 'train/b/1.png']);
    expect(changed).toMatchObject({ checked: 12, reused: 10, findings: [] });
    expect(await readFile(results, 'utf8')).not.toContain('bad.png');
  });

  it('goes on where it was stopped, whatever became of its last line', async () => {
    await makeData();
    await put('train/a/0.png', 'text');
    const stop = new AbortController();
    const onProgress = (checked: number): void => (checked === 4 ? stop.abort() : undefined);
    const stopped = await check({ results, onProgress, signal: stop.signal });
    expect(stopped.total).toBe(12);
    expect(stopped.checked).toBeGreaterThanOrEqual(4);
    expect(stopped.checked).toBeLessThan(7);
    expect(filesOf(stopped, 'unreadable')).toEqual(['train/a/0.png']);
    await appendFile(results, '["train/a/1.p');
    const whole = await check({ results });
    expect(whole).toMatchObject({ checked: 12, reused: stopped.checked });
    expect(filesOf(whole, 'unreadable')).toEqual(['train/a/0.png']);

    // Stopped at once, a later check still tells what is known.
    const again = await check({ results, signal: AbortSignal.abort() });
    expect(again).toMatchObject({ checked: 12, findings: whole.findings });
  });

  it('begins anew after results of another version, and does without a place for them', async () => {
    await makeData(1);
    await mkdir(dirname(results), { recursive: true });
    await writeFile(results, '{"format":"stillhouse-check","version":0}\n["train/a/0.png",1]\n');
    expect(await check({ results })).toMatchObject({ checked: 4, reused: 0 });
    expect(await check({ results })).toMatchObject({ checked: 4, reused: 4 });
    const nowhere = join(root, 'train/a/0.png', 'results.jsonl');
    expect(await check({ results: nowhere })).toMatchObject({ checked: 4, reused: 0 });
  });

  it('says that the folder has vanished, and keeps what it knew', async () => {
    await makeData(20);
    const dataset = await listDataset(root);
    let gone = false;
    const read: CheckOptions['read'] = async (of, file, options) => {
      if (file === 'train/b/5.png' && !gone) {
        gone = true;
        await rename(root, `${root}-moved`);
      }
      return readSample(of, file, options);
    };
    const ended = checkImages(dataset, ownDecode, { read, results, workers: 2 });
    await expect(ended).rejects.toMatchObject({ code: 'data.vanished', params: { path: root } });
    await rename(`${root}-moved`, root);
    expect((await check({ results })).reused).toBeGreaterThan(10);
  });

  it('passes over a file that the disk does not deliver, and gives up on a disk that delivers none', async () => {
    await makeData(5);
    const never = new Promise<never>(() => undefined);
    const stubborn: CheckOptions['read'] = (dataset, file, options) =>
      file === 'train/a/2.png' ? readSlowly(never, options.timeout) : readSample(dataset, file, options);
    const report = await check({ read: stubborn, fileTimeout: 50 });
    expect(report.findings).toMatchObject([
      { kind: 'unreadable', files: [{ file: 'train/a/2.png', reason: reason('os.silent', { seconds: 0.05 }) }] },
    ]);
    const dead = check({ read: (_dataset, _file, { timeout }) => readSlowly(never, timeout), fileTimeout: 50 });
    await expect(dead).rejects.toMatchObject({ code: 'data.vanished' });
  });

  it('does not wait for a pipe that has come in the place of an image', async () => {
    await makeData(1);
    const dataset = await listDataset(root);
    await rm(join(root, 'val/b/0.png'));
    execFileSync('mkfifo', [join(root, 'val/b/0.png')]);
    const report = await checkImages(dataset, ownDecode);
    expect(report.findings).toMatchObject([{ kind: 'unreadable', files: [{ reason: reason('file.not-file') }] }]);
  });

  it('names a file that may not be read', async () => {
    await makeData(1);
    for (const folder of [home, dirname(root), root]) await chmod(folder, 0o755);
    await chmod(join(root, 'train/a/0.png'), 0);
    const dataset = await listDataset(root);
    const report = await asNobody(() => checkImages(dataset, ownDecode));
    expect(report.findings).toMatchObject([{ kind: 'unreadable', files: [{ reason: reason('os.denied') }] }]);
  });

  it('takes more findings than a call has room for', async () => {
    const samples = Array.from({ length: 150_000 }, (_, at) => ({ file: `train/a/${at}.png`, label: 0 }));
    await put('train/a/0.png', image(0));
    const dataset = { ...(await listDataset(root)), train: samples, val: [] };
    const known = samples.map(({ file }) => JSON.stringify([file, 9, 5, 'AAECAwQFBgcICQoLDA0ODw==', '', '']));
    await mkdir(dirname(results), { recursive: true });
    await writeFile(results, ['{"format":"stillhouse-check","version":2}', ...known, ''].join('\n'));
    // Stopped at once, so that all of it is what earlier checks found.
    const report = await checkImages(dataset, ownDecode, { results, signal: AbortSignal.abort() });
    expect(report.findings).toMatchObject([{ kind: 'duplicate', count: 149_999 }]);
  });

  it('reads archives in place', async () => {
    await makeData(2);
    await put('train/a/0.png', 'text');
    for (const split of ['train', 'val']) {
      execFileSync('tar', ['-cf', join(root, `${split}.tar`), '-C', root, split]);
      await rm(join(root, split), { recursive: true });
    }
    const report = await check({ results });
    expect(report).toMatchObject({ checked: 8, total: 8 });
    expect(filesOf(report, 'unreadable')).toEqual(['train.tar/train/a/0.png']);
    expect(await check({ results })).toMatchObject({ checked: 8, reused: 8 });
  });

  it('tells of odd files that can be used', async () => {
    await makeData(1);
    await copyFile(join(fixtures, 'alpha.png'), join(root, 'train/a/alpha.png'));
    await put('train/b/named.jpg', image(60));
    const report = await check();
    expect(report.findings).toEqual([
      { kind: 'alpha', count: 1, files: [{ file: 'train/a/alpha.png', reason: '' }] },
      { kind: 'misnamed', count: 1, files: [{ file: 'train/b/named.jpg', reason: '' }] },
    ]);
  });
});

describe('findDuplicates', () => {
  it('takes a hundred thousand images that are all the same', () => {
    const samples = Array.from({ length: 100_000 }, (_, at) => ({ file: `${at}.png`, label: 0 }));
    const found = findDuplicates(samples, 90_000, Buffer.alloc(16 * samples.length, 7), ['a']);
    expect(found.filter(({ kind }) => kind === 'leak')).toHaveLength(90_000);
    expect(found.filter(({ kind }) => kind === 'duplicate')).toHaveLength(99_998);
    expect(found.at(-1)).toEqual({
      kind: 'duplicate',
      file: '99999.png',
      reason: reason('image.same', { file: '90000.png' }),
    });
  });
});

/** Stands in for a disk that does not answer: the reader's own time limit ends it. */
async function readSlowly(never: Promise<never>, timeout: number): Promise<Uint8Array> {
  const { inTime } = await import('../../../src-main/data/layout/read-file.ts');
  return inTime(timeout, never);
}

describe('imageFacts', () => {
  const expected: Record<string, string[]> = {
    'alpha.png': ['alpha'],
    'animated.gif': ['palette', 'alpha', 'animated'],
    'cmyk.jpg': ['cmyk'],
    'deep.png': ['deep'],
    'grey.jpg': [],
    'palette-alpha.png': ['palette', 'alpha'],
    'plain.bmp': [],
    'plain.jpg': [],
    'progressive.jpg': [],
    'raw.ppm': [],
    'rotated.jpg': ['rotated'],
    'lossy.webp': [],
  };
  it.each(Object.entries(expected))('of %s', async (name, oddities) => {
    const bytes = await readFile(join(fixtures, name));
    expect(imageFacts(bytes, name)).toMatchObject({ oddities, cutShort: false });
    expect(imageFacts(bytes.subarray(0, bytes.length - 3), name).cutShort).toBe(true);
    expect(imageFacts(bytes, 'file.tif').oddities).toContain('misnamed');
  });

  it('survives every file cut short and damaged', async () => {
    let odd = 0;
    for (const name of Object.keys(expected)) {
      const bytes = (await readFile(join(fixtures, name))).subarray(0, 500);
      for (let length = 0; length < bytes.length; length++)
        odd += imageFacts(bytes.subarray(0, length), name).oddities.length;
      for (let at = 0; at < bytes.length; at++) {
        const damaged = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0xff : byte));
        odd += imageFacts(damaged, name).oddities.length;
      }
    }
    expect(odd).toBeGreaterThan(0);
  });

  it('calls an image of more than 100 million pixels huge', () => {
    const ppm = Buffer.from('P6\n20000 6000\n255\n');
    expect(imageFacts(ppm, 'a.ppm')).toMatchObject({ oddities: ['huge'], cutShort: true });
  });

  it('finds the turn in Exif of either byte order, and its end', async () => {
    const bytes = await readFile(join(fixtures, 'plain.jpg'));
    const withExif = (order: string, orientation: number): Buffer => {
      const exif = Buffer.alloc(6 + 8 + 2 + 12 + 4);
      exif.write('Exif\0\0', 'latin1');
      const [write16, write32] =
        order === 'II'
          ? ([exif.writeUInt16LE, exif.writeUInt32LE] as const)
          : ([exif.writeUInt16BE, exif.writeUInt32BE] as const);
      exif.write(order, 6, 'latin1');
      write16.call(exif, 42, 8);
      write32.call(exif, 8, 10);
      write16.call(exif, 1, 14);
      write16.call(exif, 0x112, 16);
      write16.call(exif, 3, 18);
      write32.call(exif, 1, 20);
      write16.call(exif, orientation, 24);
      const header = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
      return Buffer.concat([bytes.subarray(0, 2), header, exif, bytes.subarray(2)]);
    };
    for (const order of ['II', 'MM'])
      for (const orientation of [1, 3, 6, 8, 9])
        expect(imageFacts(withExif(order, orientation), 'a.jpg').oddities).toEqual(
          orientation > 1 && orientation < 9 ? ['rotated'] : [],
        );
  });
});

describe('the list of excluded images', () => {
  it('keeps every name, whatever is in it', () => {
    const names = [
      'a b.jpg',
      ' lead.jpg',
      '#hash.jpg',
      '!bang.jpg',
      '"quoted".jpg',
      'new\nline.jpg',
      '😀/عربي.png',
      'tab\t# x.png',
    ];
    const out = new Map(names.map((name, at) => [name, at % 2 ? `truncated: reason ${at}` : '']));
    const kept = new Set(['keep me.png', '!keep\ttoo.png']);
    const text = formatExclusions({ out, kept }, '/data/flowers');
    expect(parseExclusions(text)).toEqual({ out, kept });
    expect(text.split('\n').filter((line) => line && !line.startsWith('# '))).toHaveLength(names.length + kept.size);
  });

  it('is read as a person writes it', () => {
    const typed = '\ufeff# mine\r\n\r\ntrain/a/1.jpg\r\n  val/b/2.jpg  \n!train/a/3.jpg\ntrain/a/3.jpg\n';
    const { out, kept } = parseExclusions(typed);
    expect([...out.keys()]).toEqual(['train/a/1.jpg', 'val/b/2.jpg']);
    expect([...kept]).toEqual(['train/a/3.jpg']);
  });
});
