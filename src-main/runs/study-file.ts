import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseKeptStudy, type Study } from '../protocol/study.ts';
import { namesIn, writeFileAtomic } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';

/** Studies: `<home>/studies/<id>/study.json`. Whoever begins its trainings holds the lock of its folder. */

/** Returns the folder of a study. */
export function studyFolder(home: string, id: string): string {
  return join(home, 'studies', id);
}

/** Returns the file of a study. */
export function studyFile(home: string, id: string): string {
  return join(studyFolder(home, id), 'study.json');
}

/** Lists every study, the newest first, without those that cannot be read. */
export function listStudies(home: string): Study[] {
  const studies = namesIn(join(home, 'studies')).flatMap((id) => readStudy(home, id) ?? []);
  return studies.sort((one, other) => other.created - one.created);
}

/** Reads a study as it was kept last; null where there is none. */
export function readStudy(home: string, id: string): Study | null {
  if (!/^[\w-]{1,64}$/.test(id)) return null;
  try {
    const study = parseKeptStudy(JSON.parse(readFileSync(studyFile(home, id), 'utf8')));
    return study?.id === id ? study : null;
  } catch {
    return null;
  }
}

/** Keeps a study. @throws StillhouseError `disk.full`, `disk.denied` */
export function writeStudy(home: string, study: Study): void {
  mkdirSync(studyFolder(home, study.id), { recursive: true });
  writeFileAtomic(studyFile(home, study.id), `${JSON.stringify(study, null, 2)}\n`);
}

/** Forgets a study; its runs stay. */
export function removeStudy(home: string, id: string): void {
  if (readStudy(home, id)) removeNow(studyFolder(home, id));
}
