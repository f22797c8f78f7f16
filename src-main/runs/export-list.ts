import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { namesIn, writeFileAtomic } from '../base/files.ts';
import { formatOfPath, isFolderFormat, isShard } from '../protocol/export-formats.ts';
import { readManifest } from './export-manifest.ts';
import { exportsFolder } from './run-folder.ts';

/** Which files were exported of a run: those in its `exports`, and those whose paths `exports/elsewhere.json` keeps. */

/** Lists the paths of a run's exports that still exist. */
export function exportedFiles(run: string): string[] {
  const folder = exportsFolder(run);
  // Of a folder only the manifest says whether it is an export.
  const isExport = (name: string): boolean => !isFolderName(name) || readManifest(join(folder, name)) !== null;
  const named = namesIn(folder).filter((name) => formatOfPath(name) !== null && !isShard(name));
  const own = named.filter(isExport);
  return [...own.map((name) => join(folder, name)), ...elsewhere(run)].filter((path) => existsSync(path));
}

function isFolderName(name: string): boolean {
  const format = formatOfPath(name);
  return format !== null && isFolderFormat(format);
}

/** Keeps the path of a file that was written outside of the run. One that cannot be written to forgets it. */
export function rememberExport(run: string, path: string): void {
  const [folder, file] = [exportsFolder(run), resolve(path)];
  if (dirname(file) === folder) return;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileAtomic(listFile(run), JSON.stringify([...new Set([...elsewhere(run), file])], null, 2));
  } catch {
    // The export itself is written; only the list does not have it.
  }
}

function listFile(run: string): string {
  return join(exportsFolder(run), 'elsewhere.json');
}

function elsewhere(run: string): string[] {
  try {
    const paths = JSON.parse(readFileSync(listFile(run), 'utf8')) as unknown;
    return Array.isArray(paths) ? paths.filter((path): path is string => typeof path === 'string') : [];
  } catch {
    return [];
  }
}
