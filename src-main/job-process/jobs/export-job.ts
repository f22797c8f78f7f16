import { join, resolve } from 'node:path';
import type { ExportJob, JobResults } from '../../jobs/job-protocol.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { ExportItem, WrittenExport } from '../../protocol/export.ts';
import { bytesOf, exportName } from '../../runs/export-sizes.ts';
import type { NetworkToWrite } from '../../runs/export-network.ts';
import { writeNetwork, type Exported, type WriteOptions } from '../../runs/export.ts';
import { withNetwork } from '../../weights/export-weights.ts';
import { progressTeller, type JobContext } from '../job-context.ts';

/**
 * Writes a network in several formats, one after another. What one format is refused for is said in its place, and the
 * others are written all the same. When it is stopped, those that are whole stay, and nothing of the others.
 * @throws StillhouseError `weights.*`, `recipe.invalid`: what keeps the network from being made.
 */
export function runExportJob(job: ExportJob, context: JobContext): Promise<JobResults['export']> {
  context.tell({ tell: 'progress', stage: 'weights', done: 0, total: 0 });
  return withNetwork(job.weights, job, async (network, notes) => {
    const onBytes = listener(context, totalOf(network, job.items));
    const written: WrittenExport[] = [];
    for (const item of job.items) {
      const path = resolve(item.output ?? join(job.folder, exportName(network, item, job.resized)));
      const found = await attempt(path, () => writeItem(network, item, path, { shardBytes: job.shardBytes, onBytes }));
      if (context.stop.aborted) break;
      written.push({ format: item.format, ...found });
    }
    return { written, notes };
  });
}

function writeItem(
  network: NetworkToWrite,
  { format }: ExportItem,
  path: string,
  options: WriteOptions,
): Promise<Exported> {
  return writeNetwork(network, format, path, options);
}

async function attempt(path: string, write: () => Promise<Exported>): Promise<Omit<WrittenExport, 'format'>> {
  try {
    return { ...(await write()), error: null };
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    return { path, bytes: 0, error: toPlainError(error) };
  }
}

/** Tells how many bytes are written, and ends the writing when the job is stopped. */
function listener(context: JobContext, total: number): (bytes: number) => void {
  const tell = progressTeller(context, 'export');
  let done = 0;
  return (bytes) => {
    if (context.stop.aborted) throw new StillhouseError('job.cancelled');
    tell((done += bytes), total);
  };
}

function totalOf(network: NetworkToWrite, items: readonly ExportItem[]): number {
  const sizes = items.map(({ format }) => {
    try {
      return bytesOf(network, format);
    } catch {
      // Why it is refused is said in its turn.
      return 0;
    }
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}
