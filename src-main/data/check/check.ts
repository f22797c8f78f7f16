import { hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { FINDING_KINDS, type DatasetReport, type Finding, type FindingKind } from '../../protocol/data-types.ts';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { CheckResults, type ImageResult } from './check-results.ts';
import { decodeImage, type Decode } from '../decode/decode.ts';
import { readableSize } from '../decode/reading.ts';
import { findDuplicates, type FoundFile } from './duplicates.ts';
import { readSample, samplePlace, type Dataset } from '../layout/folder.ts';
import type { Sample } from '../layout/sample.ts';
import { imageFacts, type ImageFacts } from '../decode/image-facts.ts';
import { inTime, SlowDiskError } from '../layout/read-file.ts';

export interface CheckOptions {
  /** Called after each image. */
  onProgress?(checked: number, total: number): void;
  /** When raised, the report tells of what was checked until then. */
  signal?: AbortSignal;
  /** Images read and decoded at the same time; default one a core, at least 4. */
  workers?: number;
  /** Milliseconds that the disk may take for a file; default 30,000. */
  fileTimeout?: number;
  /** File that keeps the results for the next check; null to begin anew and keep none. */
  results?: string | null;
  /** Reads an image; `readSample` when left out. */
  read?: typeof readSample;
}

/** Decoded images above this, in bytes, are held in memory one at a time. */
const LARGE = 256 * 2 ** 20;
const HASH = 16;

/**
 * Decodes every image of a data set whole, unless an earlier check has and the file has not changed since, and finds
 * what is wrong with them, one by one and between them.
 * @throws StillhouseError `data.vanished` when the folder is gone or its disk does not answer any more; what was
 * checked before that is kept in the results.
 */
export async function checkImages(
  dataset: Dataset,
  decode: Decode,
  options: CheckOptions = {},
): Promise<DatasetReport> {
  const results = await CheckResults.open(options.results ?? null);
  const check = new Check(dataset, decode, results, options);
  try {
    const workers = options.workers ?? Math.max(4, availableParallelism());
    const ends = await Promise.allSettled(Array.from({ length: workers }, () => check.work()));
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure) throw failure.reason;
    const isWhole = check.takeOver();
    if (isWhole) await results.replace(check.all());
    return check.report();
  } finally {
    await results.flush();
  }
}

class Check {
  private readonly samples: Sample[];
  private readonly found: (ImageResult | undefined)[];
  private readonly timeout: number;
  private next = 0;
  private checked = 0;
  private reused = 0;
  private slow = 0;
  private large: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly dataset: Dataset,
    private readonly decode: Decode,
    private readonly results: CheckResults,
    private readonly options: CheckOptions,
  ) {
    this.samples = [...dataset.train, ...dataset.val];
    this.found = new Array<ImageResult | undefined>(this.samples.length);
    this.timeout = options.fileTimeout ?? 30_000;
  }

  /** Looks at one image after the other, until there are no more or the check is stopped. */
  async work(): Promise<void> {
    while (this.next < this.samples.length && !this.options.signal?.aborted) {
      const index = this.next++;
      try {
        this.found[index] = await this.lookAt(this.samples[index].file);
      } catch (error) {
        this.next = this.samples.length;
        throw error;
      }
      this.checked++;
      this.options.onProgress?.(this.checked, this.samples.length);
    }
  }

  /**
   * Of a check that was stopped, takes what earlier ones found of the images it has not come to.
   * @returns whether it came to all.
   */
  takeOver(): boolean {
    const missing = this.samples.flatMap((_, index) => (this.found[index] ? [] : [index]));
    for (const index of missing) {
      const known = this.results.last(this.samples[index].file);
      if (!known) continue;
      this.found[index] = known;
      this.checked++;
      this.reused++;
    }
    return missing.length === 0;
  }

  /** Results of every image that was looked at. */
  all(): ImageResult[] {
    return this.found.filter((result) => result !== undefined);
  }

  report(): DatasetReport {
    const { dataset, checked, reused, samples } = this;
    return {
      path: dataset.path,
      time: Date.now(),
      total: samples.length,
      checked,
      reused,
      findings: this.findings(),
    };
  }

  private findings(): Finding[] {
    const { dataset, samples, found } = this;
    const hashes = Buffer.alloc(samples.length * HASH);
    const files: FoundFile[] = [];
    for (const [index, result] of found.entries()) {
      if (!result) continue;
      const { file, problem, oddities } = result;
      if (problem) files.push({ file, ...problem });
      for (const kind of oddities) files.push({ kind, file, reason: '' });
      if (result.hash && result.size > 0 && !problem) hashes.write(result.hash, index * HASH, HASH, 'base64');
    }
    return group(files.concat(findDuplicates(samples, dataset.train.length, hashes, dataset.classes)));
  }

  private async lookAt(file: string): Promise<ImageResult> {
    const { dataset, timeout, options } = this;
    try {
      const place = samplePlace(dataset, file);
      const stats = await inTime(timeout, stat(place.path));
      const [size, time] = [place.size ?? stats.size, stats.mtimeMs];
      const known = this.results.get(file, size, time);
      if (known) {
        this.reused++;
        return known;
      }
      const bytes = await (options.read ?? readSample)(dataset, file, { timeout });
      this.slow = 0;
      const result = { file, size, time, ...(await this.factsOf(bytes, file)) };
      this.results.add(result);
      return result;
    } catch (error) {
      // It is not kept: what the disk did not give may be there the next time.
      return { file, size: 0, time: 0, hash: '', problem: await this.failed(error), oddities: [] };
    }
  }

  private async factsOf(bytes: Uint8Array, file: string): Promise<Pick<ImageResult, 'hash' | 'problem' | 'oddities'>> {
    const facts = imageFacts(bytes, file);
    const digest = hash('sha256', bytes, 'buffer').subarray(0, HASH).toString('base64');
    const problem = await this.problemOf(bytes, facts);
    // What cannot be used is no odd image that can.
    return { hash: digest, problem, oddities: problem ? [] : facts.oddities };
  }

  private async problemOf(bytes: Uint8Array, facts: ImageFacts): Promise<ImageResult['problem']> {
    if (bytes.length === 0) return { kind: 'empty', reason: reason('file.empty') };
    try {
      const size = readableSize(bytes);
      const decode = (): Promise<unknown> => decodeImage(bytes, size, null, this.decode);
      await (size.width * size.height * 3 > LARGE ? this.alone(decode) : decode());
      return null;
    } catch (error) {
      if (facts.cutShort) return { kind: 'truncated', reason: reason('image.ends-early') };
      return { kind: 'unreadable', reason: reasonOf(error) };
    }
  }

  private alone(work: () => Promise<unknown>): Promise<unknown> {
    const mine = this.large.then(work);
    this.large = mine.catch(() => undefined);
    return mine;
  }

  /**
   * Turns the error of a file that could not be read into its result. @throws StillhouseError when it is not this file
   * alone.
   */
  private async failed(error: unknown): Promise<NonNullable<ImageResult['problem']>> {
    const { path } = this.dataset;
    const reason = reasonOf(error);
    if (error instanceof StillhouseError) throw error;
    const isSlow = error instanceof SlowDiskError;
    if (isSlow && ++this.slow >= MOST_SLOW) throw new StillhouseError('data.vanished', { path, reason });
    if (!isSlow)
      await stat(path).catch((cause: unknown) => {
        throw new StillhouseError('data.vanished', { path, reason: reasonOf(cause) }, { cause });
      });
    return { kind: 'unreadable', reason };
  }
}

/** Files in a row that the disk did not deliver in time, after which it is given up. */
const MOST_SLOW = 8;

/** By kind, in the order of the kinds; within one in the order of the data set. */
function group(files: readonly FoundFile[]): Finding[] {
  const byKind = new Map<FindingKind, Finding>();
  for (const { kind, file, reason } of files) {
    const finding = byKind.get(kind) ?? { kind, count: 0, files: [] };
    byKind.set(kind, finding);
    finding.count++;
    finding.files.push({ file, reason });
  }
  return FINDING_KINDS.flatMap((kind) => byKind.get(kind) ?? []);
}
