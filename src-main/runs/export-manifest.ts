import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonFile, type FileToWrite } from '../base/folder.ts';
import { EXPORT_FORMAT_NAMES, type ExportFormat } from '../protocol/export-formats.ts';
import type { Description } from './export-network.ts';

/** Names the format and the files of an export that is a folder, and the network in it: `stillhouse.json`. */
const MANIFEST = 'stillhouse.json';

/** Holds the content of `stillhouse.json`. */
export interface Manifest {
  format: ExportFormat;
  /** Paths in the folder, with `/`. */
  files: string[];
  facts: Record<string, unknown>;
}

/** Adds the manifest of a folder to its files, as the last one. */
export function withManifest(
  format: ExportFormat,
  files: readonly FileToWrite[],
  facts: Description,
): readonly FileToWrite[] {
  return [...files, jsonFile(MANIFEST, { format, files: files.map(({ name }) => name), facts })];
}

/** Reads the manifest of a folder; null where it has none. */
export function readManifest(folder: string): Manifest | null {
  try {
    const { format, files, facts } = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')) as Partial<Manifest>;
    const known = EXPORT_FORMAT_NAMES.includes(format as ExportFormat);
    const named = Array.isArray(files) && files.every((name) => typeof name === 'string');
    return known && named ? { format: format!, files, facts: { ...facts } } : null;
  } catch {
    return null;
  }
}

/** Tells whether a folder holds nothing but an export. */
export function isOwnFolder(folder: string): boolean {
  const manifest = readManifest(folder);
  if (!manifest) return false;
  const own = new Set([...manifest.files, MANIFEST]);
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  return found.every(({ parentPath, name }) =>
    own.has(
      join(parentPath, name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    ),
  );
}
