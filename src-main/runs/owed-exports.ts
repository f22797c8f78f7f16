import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { requireFolder, writeFileAtomic } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';
import { lockOwner, lockRun } from './lock.ts';
import { exportsFolder } from './run-folder.ts';

/**
 * Exports that a run's recipe asks for and that are not made yet: `exports/owed.json` stands from the end of the training
 * until what came of them is in the history. Who makes them holds `exports/lock`.
 */

/** A run whose exports this process makes. */
export interface OwedExports {
  /** What came of them is written down, or will be by nobody. */
  settle(): void;
  /** Gives them to the next start of a service. */
  leave(): void;
}

/**
 * Keeps a note that the exports of a run are owed, and takes them for this process.
 * @throws StillhouseError `run.locked` while another process makes them, `disk.*`
 */
export function takeExports(run: string): OwedExports {
  const folder = exportsFolder(run);
  requireFolder(folder);
  const lock = lockRun(folder);
  try {
    if (!existsSync(noteOf(run))) writeFileAtomic(noteOf(run), `${JSON.stringify({ since: Date.now() })}\n`);
  } catch (error) {
    lock.release();
    throw error;
  }
  const settle = (): void => {
    removeNow(noteOf(run));
    lock.release();
  };
  return { settle, leave: () => lock.release() };
}

/** Tells whether the exports of a run are owed, and nobody makes them. */
export function owesExports(run: string): boolean {
  return existsSync(noteOf(run)) && lockOwner(exportsFolder(run)) === null;
}

function noteOf(run: string): string {
  return join(exportsFolder(run), 'owed.json');
}
