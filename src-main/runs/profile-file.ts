import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunProfile } from '../protocol/data-types.ts';
import { writeFileAtomic } from '../base/files.ts';

/** `profile.json` of a run: the ops of the step that was profiled. */

/** Writes the profile of a run. @throws StillhouseError `disk.full` or `disk.denied` */
export function writeProfile(folder: string, profile: RunProfile): void {
  writeFileAtomic(profileFile(folder), `${JSON.stringify(profile, null, 1)}\n`);
}

/** Reads the profile of a run; null where none was made or it cannot be read. */
export function readProfile(folder: string): RunProfile | null {
  try {
    const found = JSON.parse(readFileSync(profileFile(folder), 'utf8')) as RunProfile | null;
    return typeof found?.step === 'number' && Array.isArray(found.ops) ? found : null;
  } catch {
    return null;
  }
}

function profileFile(folder: string): string {
  return join(folder, 'profile.json');
}
