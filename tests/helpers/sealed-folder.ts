import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';

/** Lets nothing be written into a folder until the answer is called. */
export function sealFolder(folder: string): () => void {
  // Whoever is root may write whatever the modes say, but not where the file system says no.
  if (process.getuid?.() === 0) return mountReadOnly(folder);
  chmodSync(folder, 0o555);
  return () => chmodSync(folder, 0o755);
}

function mountReadOnly(folder: string): () => void {
  execFileSync('mount', ['--bind', folder, folder], { stdio: 'ignore' });
  execFileSync('mount', ['-o', 'remount,ro,bind', folder], { stdio: 'ignore' });
  return () => void execFileSync('umount', ['-l', folder]);
}
