import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { ReasonCode } from '../../../src-main/protocol/reasons.ts';
import {
  diskError,
  fileSize,
  folderSize,
  removeLeftovers,
  syncToDisk,
  writeChunksAtomic,
  writeFileAtomic,
  writeLinesAtomic,
} from '../../../src-main/base/files.ts';
import { withLimitedDisk } from '../runs/limited-disk.ts';
import { temporaryFolder } from '../runs/state.ts';

describe('writing whole files', () => {
  it('replaces the old one and leaves nothing else', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'a.json');
    writeFileAtomic(path, 'one');
    writeFileAtomic(path, Buffer.from('two'));
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('streams pieces of any size and tells bytes and hash', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'a.bin');
    const pieces = [Buffer.alloc(0), Buffer.alloc(9 << 20, 7), Buffer.from('end')];
    const whole = Buffer.concat(pieces);
    const sha256 = createHash('sha256').update(whole).digest('hex');
    expect(await writeChunksAtomic(path, pieces, whole.length)).toEqual({ bytes: whole.length, sha256 });
    expect(readFileSync(path).equals(whole)).toBe(true);
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  it('leaves the old file and no other when the pieces fail', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'a.bin');
    writeFileAtomic(path, 'old');
    function* failing() {
      yield Buffer.from('new');
      throw new Error('no more');
    }
    await expect(writeChunksAtomic(path, failing())).rejects.toThrow('no more');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  it('says why a place cannot be written to', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'folder'));
    const under = (name: string) => join(folder, name);
    const denied = (code: ReasonCode) =>
      expect.objectContaining({
        code: 'disk.denied',
        params: expect.objectContaining({ reason: { code, params: {} } }) as object,
      }) as Error;
    expect(() => writeFileAtomic(under('file/a'), '')).toThrow(denied('os.no-folder'));
    expect(() => writeFileAtomic(under('missing/a'), '')).toThrow(denied('os.no-folder'));
    expect(() => writeFileAtomic(under('folder'), '')).toThrow(denied('os.folder'));
    await expect(writeChunksAtomic(under('missing/a'), [])).rejects.toThrow(denied('os.no-folder'));
  });
});

describe('a full disk', () => {
  it('is told, and the old file stays with nothing beside it', async () => {
    await withLimitedDisk(1 << 20, async (folder) => {
      const path = join(folder, 'a.bin');
      writeFileAtomic(path, 'old');
      const pieces = Array.from({ length: 20 }, () => Buffer.alloc(100_000, 1));
      const full = { code: 'disk.full', params: { path, needed: '2.0 MB' } };
      await expect(writeChunksAtomic(path, pieces)).rejects.toMatchObject({ code: 'disk.full', params: { path } });
      await expect(writeChunksAtomic(path, pieces, 2_000_000)).rejects.toMatchObject(full);
      expect(() => writeFileAtomic(path, Buffer.alloc(2_000_000))).toThrow(expect.objectContaining(full) as Error);
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(readdirSync(folder).filter((name) => name !== 'filling')).toEqual(['a.bin']);
    });
  });

  it('is foreseen before anything is written', async () => {
    await withLimitedDisk(1 << 20, async (folder) => {
      let asked = 0;
      function* pieces() {
        asked++;
        yield Buffer.alloc(1);
      }
      await expect(writeChunksAtomic(join(folder, 'a'), pieces(), 2 << 20)).rejects.toMatchObject({
        code: 'disk.full',
      });
      expect(asked).toBe(0);
    });
  });
});

describe('leftovers', () => {
  it('of writers that are gone are removed, and nothing else', async () => {
    const folder = temporaryFolder();
    const gone = '.a.bin.999999999.0123456789ab.tmp';
    const goneFolder = '.engine.999999999.0123456789ab.tmp';
    const living = `.a.bin.${process.pid}.0123456789ab.tmp`;
    for (const name of [gone, living, 'a.bin', '.hidden', 'x.tmp']) writeFileSync(join(folder, name), '');
    mkdirSync(join(folder, goneFolder));
    writeFileSync(join(folder, goneFolder, 'part'), '');
    symlinkSync('/nowhere', join(folder, 'broken'));
    await removeLeftovers(folder);
    expect(readdirSync(folder).sort()).toEqual([living, '.hidden', 'a.bin', 'broken', 'x.tmp'].sort());
  });

  it('of a living process of another user stay', async () => {
    const folder = temporaryFolder();
    const name = '.data.999999999.0123456789ab.tmp';
    mkdirSync(join(folder, name));
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    });
    await removeLeftovers(folder).finally(() => kill.mockRestore());
    expect(readdirSync(folder)).toEqual([name]);
  });
});

describe('an error of the disk', () => {
  const failed = (code: string) => Object.assign(new Error(`${code}: words of the system`), { code });

  it.each([
    ['ENOENT', 'os.no-folder'],
    ['EISDIR', 'os.folder'],
    ['EROFS', 'os.read-only'],
    ['EPERM', 'os.denied'],
    ['EIO', 'os.disk-error'],
  ])('%s says why in our words and keeps its cause', (code, reason) => {
    const cause = failed(code);
    expect(diskError(cause, '/a', 0)).toMatchObject({
      code: 'disk.denied',
      params: { path: '/a', reason: { code: reason } },
      cause,
    });
  });

  it('of a full disk says how much was needed', () => {
    const cause = failed('EDQUOT');
    expect(diskError(cause, '/a', 1.5e6)).toMatchObject({ code: 'disk.full', params: { needed: '1.5 MB' }, cause });
  });

  it('stays as it was when nothing is known of it', () => {
    for (const error of [failed('EAGAIN'), failed('toString'), null, new Error('no code')])
      expect(diskError(error, '/a', 0)).toBe(error);
  });
});

it('writes lines whole, however many', async () => {
  const path = join(temporaryFolder(), 'lines');
  const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}`);
  await writeLinesAtomic(path, lines);
  expect(readFileSync(path, 'utf8')).toBe(lines.map((line) => `${line}\n`).join(''));
  await writeLinesAtomic(path, []);
  expect(readFileSync(path, 'utf8')).toBe('');
});

it('sizes files and folders, none as null and 0', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'in'));
  writeFileSync(join(folder, 'a'), 'abc');
  writeFileSync(join(folder, 'in', 'b'), 'de');
  const sizes = [fileSize(join(folder, 'a')), fileSize(folder), fileSize(join(folder, 'none'))];
  expect(await Promise.all(sizes)).toEqual([3, null, null]);
  expect([await folderSize(folder), await folderSize(join(folder, 'none'))]).toEqual([5, 0]);
});

it('says on Windows that a program may have the file open', () => {
  for (const code of ['EPERM', 'EACCES', 'EBUSY']) {
    const denied = (platform: string) => diskError({ code }, '/a', 0, platform);
    const { reason } = (denied('win32') as { params: { reason: unknown } }).params;
    expect(reason).toEqual({ code: 'os.denied-or-open', params: {} });
    expect(denied('linux')).toMatchObject({ params: { reason: { code: code === 'EBUSY' ? 'os.busy' : 'os.denied' } } });
  }
});

describe('forcing onto the disk', () => {
  it('leaves folders alone on Windows, which cannot force their names out', () => {
    // A folder of /proc cannot be forced onto any disk.
    expect(() => syncToDisk('/proc/self/fd', 'linux')).toThrow('EINVAL');
    syncToDisk('/proc/self/fd', 'win32');
    syncToDisk(temporaryFolder(), 'linux');
  });

  it('opens files for writing on Windows, which flushes no others', () => {
    // A program that runs can be opened for reading alone.
    syncToDisk(process.execPath, 'linux');
    expect(() => syncToDisk(process.execPath, 'win32')).toThrow(/ETXTBSY|EACCES|EROFS/);
    const path = join(temporaryFolder(), 'a');
    writeFileSync(path, 'all of it');
    syncToDisk(path, 'win32');
    expect(readFileSync(path, 'utf8')).toBe('all of it');
  });
});
