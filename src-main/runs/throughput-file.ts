import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseThroughput, type KeptThroughput } from '../protocol/throughput.ts';
import { writeFileAtomic } from '../base/files.ts';
import { parseOwnJson } from './own-json.ts';

/** How fast a run's network answers, as it was last measured: `throughput.json` in its folder. */

/** Reads it; null where it was never measured, or cannot be read. */
export function readThroughput(run: string): KeptThroughput | null {
  try {
    return parseThroughput(parseOwnJson(readFileSync(fileOf(run), 'utf8')));
  } catch {
    return null;
  }
}

/** Writes it. @throws StillhouseError `disk.full`, `disk.denied` */
export function writeThroughput(run: string, kept: KeptThroughput): void {
  writeFileAtomic(fileOf(run), `${JSON.stringify(kept, null, 2)}\n`);
}

function fileOf(run: string): string {
  return join(run, 'throughput.json');
}
