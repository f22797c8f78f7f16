import { readFile, stat, writeFile } from 'node:fs/promises';
import { remove } from '../base/moves.ts';
import { isAlive } from '../base/process.ts';

const LEFT_EMPTY = 10_000;

/**
 * Takes a lock by making its file; whoever has it removes the file. One whose holder died is removed, for the next
 * try to take.
 */
export async function takeLockFile(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const holder = Number(await readFile(lock, 'utf8').catch(() => '0'));
    const age = Date.now() - ((await stat(lock).catch(() => null))?.mtimeMs ?? Date.now());
    // A lock without a number was left by a process that ended while it wrote it.
    if (holder ? !isAlive(holder) : age > LEFT_EMPTY) await remove(lock);
    return false;
  }
}
