import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTar, type TarFile } from '../../../src-main/data/layout/tar.ts';

const LONG = `${'deep/'.repeat(30)}${'n'.repeat(120)}.txt`;
let folder: string;
const archives: Record<string, Buffer> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillhouse-tar-'));
  const root = join(folder, 'root');
  await mkdir(join(root, 'deep/'.repeat(30)), { recursive: true });
  await writeFile(join(root, 'empty.txt'), '');
  await writeFile(join(root, 'größe 😀.txt'), 'name');
  await writeFile(join(root, 'big.bin'), Buffer.alloc(100_000, 7));
  await writeFile(join(root, LONG), 'long');
  await symlink('/etc/passwd', join(root, 'link.txt'));
  for (const format of ['ustar', 'gnu', 'posix']) {
    const names = format === 'ustar' ? ['empty.txt', 'größe 😀.txt', 'big.bin', 'link.txt'] : ['.'];
    execFileSync('tar', ['--format', format, '-cf', join(folder, format), '-C', root, ...names]);
    archives[format] = await readFile(join(folder, format));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(
  bytes: Buffer,
  size: number,
  wanted = (_: string): boolean => true,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const { name, data } of readTar(inPieces(bytes, size), wanted) as AsyncIterable<TarFile>)
    files.set(name.replace(/^\.\//, ''), data);
  return files;
}

describe('readTar', () => {
  it.each(['ustar', 'gnu', 'posix'])('reads what tar writes as %s, cut anywhere, without links', async (format) => {
    for (const size of [1000, 65536]) {
      const files = await collect(archives[format], size);
      const names = ['big.bin', 'empty.txt', 'größe 😀.txt', ...(format === 'ustar' ? [] : [LONG])];
      expect([...files.keys()].sort()).toEqual(names.sort());
      expect(files.get('größe 😀.txt')!.toString()).toBe('name');
      expect(files.get('big.bin')).toEqual(Buffer.alloc(100_000, 7));
    }
  });

  it('passes over what is not wanted', async () => {
    const files = await collect(archives.gnu, 512, (name) => name.endsWith('empty.txt'));
    expect([...files]).toEqual([['empty.txt', Buffer.alloc(0)]]);
  });

  it('refuses damage instead of reading on', async () => {
    const whole = archives.ustar;
    await expect(collect(whole.subarray(0, 2000), 512)).rejects.toThrow('ends early');
    const damaged = Buffer.from(whole);
    damaged[0] = damaged[0] ^ 1;
    await expect(collect(damaged, 512)).rejects.toThrow('damaged');
    await expect(collect(Buffer.from('not an archive '.repeat(100)), 512)).rejects.toThrow('damaged');
  });
});
