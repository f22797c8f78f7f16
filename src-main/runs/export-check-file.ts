import { readFileSync, statSync } from 'node:fs';
import { parseExportCheck, type ExportCheck } from '../protocol/export.ts';
import { writeFileAtomic } from '../base/files.ts';
import { parseOwnJson } from './own-json.ts';

/** `<file>.check.json` beside an export: what the last check of it found. */
export function checkFile(path: string): string {
  return `${path}.check.json`;
}

/** Bytes of a file, and milliseconds of its last change: what tells it from one that was written later. */
export function stampOf(path: string): Pick<ExportCheck, 'bytes' | 'modified'> {
  const { size, mtimeMs } = statSync(path);
  return { bytes: size, modified: mtimeMs };
}

/** @throws StillhouseError `disk.full` or `disk.denied` */
export function writeCheck(check: ExportCheck): void {
  writeFileAtomic(checkFile(check.path), `${JSON.stringify(check, null, 2)}\n`);
}

/** The last check of this very file; null where there was none, it cannot be read, or the file changed since. */
export function readCheck(path: string): ExportCheck | null {
  try {
    const check = parseExportCheck(parseOwnJson(readFileSync(checkFile(path), 'utf8')));
    const { bytes, modified } = stampOf(path);
    return check?.bytes === bytes && check.modified === modified ? { ...check, path } : null;
  } catch {
    return null;
  }
}
