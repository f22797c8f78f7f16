import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunNotes } from '../protocol/data-types.ts';
import { writeFileAtomic } from '../base/files.ts';

/**
 * `notes.json` of a run: what a person says of it. Nothing that trains writes here, so a run can be resumed, rewound
 * and retrained without losing a word.
 */

/** Of a run of which nothing was said. */
const NOTHING: RunNotes = { pinned: false, tags: [], note: '', checkpoints: [] };

/** Reads the notes of a run; none where the file is missing or damaged. */
export function readNotes(folder: string): RunNotes {
  try {
    const given = JSON.parse(readFileSync(notesPath(folder), 'utf8')) as Partial<
      Record<keyof RunNotes, unknown>
    > | null;
    return {
      pinned: given?.pinned === true,
      tags: texts(given?.tags),
      note: typeof given?.note === 'string' ? given.note : '',
      checkpoints: texts(given?.checkpoints),
    };
  } catch {
    return { ...NOTHING };
  }
}

/** Changes some of what is noted. @throws StillhouseError `disk.full` or `disk.denied`; then nothing has changed. */
export function changeNotes(folder: string, changes: Partial<RunNotes>): RunNotes {
  const notes = { ...readNotes(folder), ...changes };
  const tidy = { ...notes, tags: tidyTags(notes.tags), checkpoints: [...new Set(notes.checkpoints)].sort() };
  writeFileAtomic(notesPath(folder), `${JSON.stringify(tidy, null, 2)}\n`);
  return tidy;
}

/** Pins a checkpoint, which retention then never drops, or lets go of it. @throws as {@link changeNotes}. */
export function pinCheckpoint(folder: string, file: string, pinned: boolean): void {
  const others = readNotes(folder).checkpoints.filter((name) => name !== file);
  changeNotes(folder, { checkpoints: pinned ? [...others, file] : others });
}

/** Returns the path of a run's notes. */
export function notesPath(folder: string): string {
  return join(folder, 'notes.json');
}

function tidyTags(tags: readonly string[]): string[] {
  return [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))];
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
