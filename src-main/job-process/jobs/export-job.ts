import { join } from 'node:path';
import type { ExportJob, JobResults } from '../../jobs/job-protocol.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { ExportItem, WrittenExport } from '../../protocol/export.ts';
import { isComputed, isFolderFormat } from '../../protocol/export-formats.ts';
import { withManifest } from '../../runs/export-manifest.ts';
import { describeNetwork, type NetworkToWrite } from '../../runs/export-network.ts';
import { bytesOf, exportName } from '../../runs/export-sizes.ts';
import { isWeightsFormat, FOLDER_WRITERS } from '../../runs/export-writers.ts';
import { exportTarget, writeExportFiles, writeExportFolder, writeNetwork, type Exported, type WriteOptions } from '../../runs/export.ts'; // prettier-ignore
import { withNetwork } from '../../weights/export-weights.ts';
import { computedFiles, computedNetwork, hubGraphs, type Computed } from '../exports/computed.ts';
import { progressTeller, type JobContext } from '../job-context.ts';

/**
 * Writes a network in several formats, one after another. What one format is refused for is said in its place, and the
 * others are written all the same. When it is stopped, those that are whole stay, and nothing of the others.
 * @throws StillhouseError `weights.*`, `recipe.invalid`, `engine.*`: what keeps the network from being made.
 */
export function runExportJob(job: ExportJob, context: JobContext): Promise<JobResults['export']> {
  context.tell({ tell: 'progress', stage: 'weights', done: 0, total: 0 });
  return withNetwork(job.weights, job, async (network, notes) => {
    const needsEngine = job.items.some(({ format }) => isComputed(format));
    const computed = needsEngine ? await computedNetwork(network, job) : null;
    const onBytes = listener(context, totalOf(network, job.items));
    const written: WrittenExport[] = [];
    for (const item of job.items) {
      const output = item.output ?? join(job.folder, exportName(network, item, job.resized));
      const options = { shardBytes: job.shardBytes, onBytes };
      const found = await attempt(output, () => writeItem({ network, computed, job }, item, output, options));
      if (context.stop.aborted) break;
      written.push({ format: item.format, ...found });
    }
    return { written, notes };
  });
}

interface Given {
  network: NetworkToWrite;
  /** Where a format asks for it. */
  computed: Computed | null;
  job: ExportJob;
}

async function writeItem(
  { network, computed, job }: Given,
  { format }: ExportItem,
  output: string,
  options: WriteOptions,
): Promise<Exported> {
  const path = exportTarget(output, format);
  if (format === 'huggingface') {
    const files = [...FOLDER_WRITERS.huggingface(network), ...hubGraphs(computed!)];
    return writeExportFolder(path, withManifest(format, files, describeNetwork(network)), options);
  }
  if (isWeightsFormat(format)) return writeNetwork(network, format, path, options);
  const files = computedFiles(computed!, format, path, job.input);
  if (!isFolderFormat(format)) return writeExportFiles(path, files, options);
  return writeExportFolder(path, withManifest(format, files, describeNetwork(network)), options);
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
    // Of what is computed the size is known about.
    tell((done += bytes), Math.max(done, total));
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
