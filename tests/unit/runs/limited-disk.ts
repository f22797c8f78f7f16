import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real file system of `bytes`, for as long as `body` runs. */
export async function withLimitedDisk(bytes: number, body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-disk-'));
  const release = mountSmall(folder, bytes) ?? fillShared(bytes);
  try {
    await body(release.folder);
  } finally {
    release.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Disk {
  folder: string;
  end(): void;
}

function mountSmall(folder: string, bytes: number): Disk | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' });
    return { folder, end: () => execFileSync('umount', ['-l', folder]) };
  } catch {
    return null;
  }
}

// Without the right to mount: a container's /dev/shm, filled up to what is wanted, if it is as small as they usually are.
function fillShared(bytes: number): Disk {
  const { bavail, bsize } = statfsSync('/dev/shm');
  const fill = bavail * bsize - bytes;
  if (fill < 0 || fill > 512e6) throw new Error('withLimitedDisk: expected root, or a /dev/shm of under 512 MB');
  const folder = mkdtempSync('/dev/shm/stillhouse-disk-');
  writeFileSync(join(folder, 'filling'), Buffer.alloc(fill));
  return { folder, end: () => rmSync(folder, { recursive: true, force: true }) };
}
