import { stat } from 'node:fs/promises';
import type { DatasetReport } from '../protocol/data-types.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { decodePicture, readableSize, type Decode } from './decode.ts';
import { samplePath, type Dataset, type Sample } from './folder.ts';
import { readPictureFile, reasonOf } from './read-file.ts';

export interface CheckOptions {
  /** Called after each picture. */
  onProgress?(checked: number, total: number): void;
  signal?: AbortSignal;
  /** Pictures decoded at the same time; default 4. */
  workers?: number;
  /** Milliseconds that the disk may take for a file; default 30,000. */
  fileTimeout?: number;
}

/**
 * Decodes every picture of a data set whole and lists those that fail, in the data set's order.
 * @throws StillhouseError `job.cancelled` when the signal is raised, `data.vanished` when the folder is gone.
 */
export async function checkPictures(
  dataset: Dataset,
  decode: Decode,
  options: CheckOptions = {},
): Promise<DatasetReport> {
  const { onProgress, signal, workers = 4, fileTimeout: timeout = 30_000 } = options;
  const samples = [...dataset.train, ...dataset.val];
  const reasons = new Map<number, string>();
  let [next, checked] = [0, 0];
  const worker = async (): Promise<void> => {
    while (next < samples.length) {
      if (signal?.aborted) throw new StillhouseError('job.cancelled');
      const index = next++;
      const reason = await problemOf(dataset, samples[index], decode, timeout).catch((error: unknown) => {
        next = samples.length;
        throw error;
      });
      if (reason) reasons.set(index, reason);
      onProgress?.(++checked, samples.length);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: workers }, worker));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure) throw failure.reason;
  const failed = [...reasons].sort(([a], [b]) => a - b);
  const unreadable = failed.map(([index, reason]) => ({ file: samples[index].file, reason }));
  return { path: dataset.path, checked, time: Date.now(), unreadable };
}

async function problemOf(dataset: Dataset, sample: Sample, decode: Decode, timeout: number): Promise<string | null> {
  try {
    const bytes = await readPictureFile(samplePath(dataset, sample), { timeout });
    const size = readableSize(bytes);
    await decodePicture(bytes, size, null, decode);
    return null;
  } catch (error) {
    await stat(dataset.path).catch((cause: unknown) => {
      throw new StillhouseError('data.vanished', { path: dataset.path, reason: reasonOf(cause) }, { cause });
    });
    return reasonOf(error);
  }
}
