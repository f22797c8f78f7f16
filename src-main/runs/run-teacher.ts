import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.ts';
import { CARD_FIELDS, parseCard, type CardField, type CardValues, type TeacherCard } from '../protocol/teacher-card.ts';

/**
 * How a run has read its teacher: `teacher.json`, with the path and every field of its card as it was taken, said or
 * assumed. A run that is resumed takes the same.
 */

const FILE = 'teacher.json';

/** Reads the facts that this run has kept of the teacher at `path`; {} when it has asked none, or another. */
export function keptTeacher(run: string, path: string): CardValues {
  const file = join(run, FILE);
  if (!existsSync(file)) return {};
  const { path: of, ...fields } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const read = parseCard(JSON.stringify(fields));
  return of !== path || 'expected' in read ? {} : read;
}

/** Writes what this run takes of its teacher. Throws `disk.*`. */
export function keepTeacher(run: string, card: TeacherCard): void {
  const fields = (Object.keys(CARD_FIELDS) as CardField[]).filter((key) => card[key] !== null && card[key] !== '');
  const values = Object.fromEntries(fields.map((key) => [key, card[key]]));
  writeFileAtomic(join(run, FILE), `${JSON.stringify({ path: card.path, ...values }, null, 2)}\n`);
}
