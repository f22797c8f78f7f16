import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseExportCheck, type ExportCheck } from '../protocol/export.ts';
import { writeFileAtomic } from '../base/files.ts';
import { parseOwnJson } from './own-json.ts';

/** Returns the path beside an export, `<file>.check.json`, that keeps the findings of its last check. */
export function checkFile(path: string): string {
  return `${path}.check.json`;
}

/**
 * Reads the size of an export in bytes and the time of its last change in milliseconds, which distinguish it from one
 * that was written later; of a folder, of all in it.
 */
export function stampOf(path: string): Pick<ExportCheck, 'bytes' | 'modified'> {
  const found = statSync(path);
  if (!found.isDirectory()) return { bytes: found.size, modified: found.mtimeMs };
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => statSync(join(path, name)));
  return {
    bytes: files.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0),
    modified: Math.max(...files.map(({ mtimeMs }) => mtimeMs)),
  };
}

/** Writes the findings of a check beside its export. @throws StillhouseError `disk.full` or `disk.denied` */
export function writeCheck(check: ExportCheck): void {
  writeFileAtomic(checkFile(check.path), `${JSON.stringify(check, null, 2)}\n`);
}

/**
 * Reads the last check of this very file; null where there was none, it cannot be read, or the file has changed since.
 */
export function readCheck(path: string): ExportCheck | null {
  try {
    const check = parseExportCheck(parseOwnJson(readFileSync(checkFile(path), 'utf8')));
    const { bytes, modified } = stampOf(path);
    return check?.bytes === bytes && check.modified === modified ? { ...check, path } : null;
  } catch {
    return null;
  }
}
