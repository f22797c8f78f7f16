import { appendFile, mkdir, readFile } from 'node:fs/promises';
import type { Reason } from '../../protocol/reasons.ts';
import { dirname } from 'node:path';
import { writeLinesAtomic } from '../../base/files.ts';
import type { FindingKind } from '../../protocol/data-types.ts';

/** The findings of a check for one image, kept so that the next check looks only at changed images. */
export interface ImageResult {
  file: string;
  /** Bytes, and milliseconds since 1970: with another size or time it is another image. */
  size: number;
  time: number;
  /** First 16 bytes of the SHA-256 of the file, in base64; '' when it could not be read. */
  hash: string;
  /** Why it cannot be used, or null. */
  problem: { kind: FindingKind; reason: Reason | string } | null;
  oddities: FindingKind[];
}

/** Results of another version of the check are worth nothing. */
const VERSION = 2;
const HEADER = JSON.stringify({ format: 'stillhouse-check', version: VERSION });
/** Results that are written at once. */
const BATCH = 500;

/**
 * The results of the checks of one data folder: a text file, one image a line, that grows while a check goes on. A
 * line that was cut short is forgotten. Nothing else depends on it: a file that cannot be written only means that the
 * next check begins anew.
 */
export class CheckResults {
  private pending: string[] = [];
  private writing: Promise<void> = Promise.resolve();
  private broken = false;

  private constructor(
    private readonly path: string | null,
    private readonly known: Map<string, ImageResult>,
  ) {}

  /** Results of earlier checks. @param path null to keep none. */
  static async open(path: string | null): Promise<CheckResults> {
    const known = path === null ? null : await readResults(path);
    const results = new CheckResults(path, known ?? new Map<string, ImageResult>());
    if (path !== null && known === null) await results.begin([]);
    return results;
  }

  /** Returns the findings for an image that has not changed since. */
  get(file: string, size: number, time: number): ImageResult | undefined {
    const known = this.known.get(file);
    return known && known.size === size && known.time === time ? known : undefined;
  }

  /** Returns the findings of an earlier check for an image, which may have changed since. */
  last(file: string): ImageResult | undefined {
    return this.known.get(file);
  }

  add(result: ImageResult): void {
    this.pending.push(`${lineOf(result)}\n`);
    if (this.pending.length >= BATCH) void this.flush();
  }

  /** Writes what is not written yet. */
  flush(): Promise<void> {
    const text = this.pending.join('');
    this.pending = [];
    this.writing = this.writing.then(() => this.try((path) => (text ? appendFile(path, text) : Promise.resolve())));
    return this.writing;
  }

  /** Puts the results of a whole check in the place of all that came before. */
  async replace(results: readonly ImageResult[]): Promise<void> {
    await this.flush();
    await this.begin(results);
  }

  private begin(results: readonly ImageResult[]): Promise<void> {
    return this.try(async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await writeLinesAtomic(path, [HEADER, ...results.map(lineOf)]);
    });
  }

  private async try(work: (path: string) => Promise<void>): Promise<void> {
    if (this.path === null || this.broken) return;
    await work(this.path).catch(() => (this.broken = true));
  }
}

function lineOf({ file, size, time, hash, problem, oddities }: ImageResult): string {
  return JSON.stringify([file, size, time, hash, problem?.kind ?? '', problem?.reason ?? '', ...oddities]);
}

/** null when there is nothing of this version. */
async function readResults(path: string): Promise<Map<string, ImageResult> | null> {
  const bytes = await readFile(path).catch(() => null);
  if (!bytes?.toString('utf8', 0, HEADER.length + 1).startsWith(`${HEADER}\n`)) return null;
  const known = new Map<string, ImageResult>();
  // Line by line: as one text, a file of millions of lines is larger than a string may be.
  for (let start = HEADER.length + 1; start < bytes.length;) {
    const end = bytes.indexOf(10, start);
    if (end < 0) break;
    const result = parseLine(bytes.toString('utf8', start, end));
    if (result) known.set(result.file, result);
    start = end + 1;
  }
  return known;
}

function parseLine(line: string): ImageResult | null {
  try {
    const [file, size, time, hash, kind, reason, ...oddities] = JSON.parse(line) as [
      ...[string, number, number, string, FindingKind | '', string],
      ...FindingKind[],
    ];
    return { file, size, time, hash, problem: kind ? { kind, reason } : null, oddities };
  } catch {
    return null;
  }
}
