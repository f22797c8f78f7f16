import { basename, join } from 'node:path';
import { finishLeftovers } from '../../base/folder.ts';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import {
  CHECK_IMAGES,
  type ExportCheck,
  type ExportInfo,
  type ExportSize,
  type WrittenExport,
} from '../../protocol/export.ts';
import { isComputed, type ExportFormat } from '../../protocol/export-formats.ts';
import { reason } from '../../protocol/reasons.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { sizesOf } from '../../runs/export-sizes.ts';
import { exportedFiles, rememberExport } from '../../runs/export-list.ts';
import { trashExport } from '../../runs/export-trash.ts';
import { bestCheckpoint, latestCheckpoint } from '../../runs/checkpoint.ts';
import { checkpointsFolder, exportsFolder, runOfCheckpoint } from '../../runs/run-folder.ts';
import type { CheckExportJob, EngineChoice, ExportJob } from '../../jobs/job-protocol.ts';
import { withNetwork } from '../../weights/export-weights.ts';
import { absolute } from '../data/datasets.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import { exportInfo, filesOf, listExports } from './export-info.ts';
import type { JobContext, Jobs, Work } from '../jobs/jobs.ts';
import { weightFileOf } from '../../weights/open-weights.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { RunStore } from '../runs/run-store.ts';
import { runJob } from '../jobs/run-job.ts';

/** Says what was written, and what checking it found. */
export interface FoundExports {
  written: WrittenExport[];
  checks: ExportCheck[];
}

/** What to make of a run that has finished. */
interface FinishedExport {
  run: string;
  device: string;
  /** Of the moving average of the model, at its own best checkpoint. */
  average: boolean;
  formats: readonly ExportFormat[];
  images: number;
}

type Asked = Pick<CallParams<'export.write'>, 'run' | 'checkpoint' | 'weights'>;

/** Weights to export, and the run that they are of. */
interface ExportSource {
  run: string | null;
  weights: string;
  device: string;
}

interface Parts {
  shelf: RunStore;
  /** The file that a path or a name of published weights means. */
  here(given: string): Promise<string>;
  engine: EngineManager;
  jobs: Jobs;
  spawnJob: SpawnJob;
  /** Called when one went to the trash. */
  onChange(): void;
}

/** Exports of runs: writes them, lists them, and has them checked. */
export class ExportCalls {
  constructor(private readonly parts: Parts) {}

  handlers() {
    return {
      'export.write': (request) => this.write(request),
      'export.sizes': (asked) => this.sizes(asked),
      'export.list': async ({ run }) => this.list(this.parts.shelf.pathOf(run)),
      'export.check': async (asked) => ({ job: await this.check(asked) }),
      'export.delete': async (asked) => (this.remove(asked), null),
    } satisfies Partial<Handlers>;
  }

  /** Lists exports; what a process that is gone left half-written of one goes first. */
  private async list(run: string): Promise<ExportInfo[]> {
    // A run that can only be read keeps it.
    await finishLeftovers(exportsFolder(run)).catch(() => undefined);
    return listExports(run);
  }

  private async write(request: CallParams<'export.write'>): Promise<{ job: string }> {
    const { engine: desk, jobs } = this.parts;
    const { images, inputSize, inputWidth, average = false, classNames, dataPath, licence } = request;
    const { run, weights, device } = await this.sourceOf(request);
    const folder = request.folder === undefined ? run && exportsFolder(run) : absolute(request.folder);
    if (folder === null)
      throw new StillhouseError('argument.invalid', { name: 'folder', expected: reason('value.root-path'), got: "''" });
    const computes = images !== undefined || request.items.some(({ format }) => isComputed(format));
    const items = request.items.map((item) => (item.output === undefined ? item : { ...item, output: absolute(item.output) })); // prettier-ignore
    const job: ExportJob = {
      ...{ kind: 'export', ...(await engineFor(desk, device, computes)), weights, items, folder, licence },
      ...{ average, settings: inputSize === undefined ? {} : { inputSize }, inputWidth },
      ...(classNames && { classNames: absolute(classNames) }),
      resized: inputSize !== undefined || inputWidth !== undefined,
    };
    const found: FoundExports = { written: [], checks: [] };
    const on = { images, ...(dataPath && { dataPath: absolute(dataPath) }) };
    const work: Work = (context) => this.make(job, run, on, found, context);
    return { job: jobs.start('export', `export:${run ?? weights}`, 'bytes', work) };
  }

  /** Exports the best checkpoint of a run that has finished; `found` hears of each as it is made. */
  async finished(order: FinishedExport, found: FoundExports, context: JobContext): Promise<void> {
    const { run, device, formats, images, average } = order;
    const weights = average ? checkpointPath(run, bestCheckpoint(run, 'bestEma')?.file ?? 'best') : weightFileOf(run);
    const job: ExportJob = {
      ...{ kind: 'export', ...(await this.parts.engine.choose(device)), weights, average },
      ...{ items: formats.map((format) => ({ format })), folder: exportsFolder(run), settings: {}, resized: false },
    };
    await this.make(job, run, { images }, found, context);
  }

  /** Writes exports, and has each checked where `images` says on how many. */
  private async make(
    job: ExportJob,
    run: string | null,
    { images, dataPath }: { images?: number; dataPath?: string },
    found: FoundExports,
    context: JobContext,
  ): Promise<FoundExports> {
    const { spawnJob } = this.parts;
    const { engine, gpu, average = false, settings, inputWidth, weights } = job;
    found.written.push(...(await runJob(spawnJob, job, context)).written);
    if (run) for (const { path } of done(found.written)) rememberExport(run, path);
    const [first] = found.written;
    if (first?.error && done(found.written).length === 0) throw fromPlainError(first.error);
    if (images === undefined) return found;
    for (const { path } of done(found.written)) {
      if (context.signal.aborted) break;
      const check: CheckExportJob = {
        ...{ kind: 'check-export', engine, gpu, path, checkpoint: weights, average, inputWidth, images },
        settings: { ...settings, ...(dataPath && { dataPath }) },
      };
      const report: JobContext['report'] = (next) => context.report({ unit: 'files', ...next });
      const outcome = await runJob(spawnJob, check, { ...context, report });
      if (outcome) found.checks.push(outcome);
    }
    return found;
  }

  private async sizes(asked: CallParams<'export.sizes'>): Promise<ExportSize[]> {
    const { weights } = await this.sourceOf(asked);
    return withNetwork(weights, { average: asked.average, settings: {} }, async (network) => sizesOf(network));
  }

  /** The weights that are meant: of a run its best or last checkpoint or one by its name, else a file or published ones. */
  private async sourceOf({ run: id, checkpoint = 'best', weights }: Asked): Promise<ExportSource> {
    const { shelf, here } = this.parts;
    if (id !== undefined) {
      const run = shelf.pathOf(id);
      return { run, weights: checkpointPath(run, checkpoint), device: shelf.recipeOf(run).device };
    }
    if (!weights?.trim())
      throw new StillhouseError('argument.invalid', { name: 'weights', expected: reason('value.text'), got: "''" });
    const file = weightFileOf(await here(weights));
    return { run: runOfCheckpoint(file), weights: file, device: 'auto' };
  }

  private async check({ run, path, images = CHECK_IMAGES }: CallParams<'export.check'>): Promise<string> {
    const { shelf, engine: desk, jobs, spawnJob } = this.parts;
    const folder = shelf.pathOf(run);
    const info = exportInfo(folder, listed(folder, path));
    // Of a file that cannot be read nothing tells what it was made from.
    const checkpoint = info.error ? weightFileOf(folder) : info.checkpoint;
    if (!checkpoint) throw new StillhouseError('export.no-checkpoint', { path });
    const recipe = shelf.recipeOf(folder);
    const { engine, gpu } = await desk.choose(recipe.device);
    const { average, inputSize, inputWidth } = info;
    const settings = inputSize > 0 && inputSize !== recipe.inputSize ? { inputSize } : {};
    const job = { kind: 'check-export', engine, gpu, path, checkpoint, average, images, settings, inputWidth } as const;
    return jobs.start('export', `export:${path}`, 'files', (context) => runJob(spawnJob, job, context));
  }

  private remove({ run, path }: CallParams<'export.delete'>): void {
    const folder = this.parts.shelf.pathOf(run);
    trashExport(folder, listed(folder, path), filesOf(path));
    this.parts.onChange();
  }
}

/** @throws StillhouseError `run.no-checkpoint` */
function checkpointPath(run: string, checkpoint: string): string {
  if (checkpoint === 'best') return weightFileOf(run);
  const file = checkpoint === 'last' ? latestCheckpoint(run)?.file : basename(checkpoint);
  if (file === undefined) throw new StillhouseError('run.no-checkpoint', { path: run });
  return join(checkpointsFolder(run), file);
}

const done = (written: readonly WrittenExport[]): WrittenExport[] => written.filter(({ error }) => error === null);

/** The engine to export with; that of none where nothing is computed, which needs none to be installed. */
async function engineFor(desk: EngineManager, device: string, computes: boolean): Promise<EngineChoice> {
  return computes ? desk.choose(device) : { engine: '' };
}

/** Only what is listed is touched. @throws StillhouseError `file.missing` */
function listed(run: string, path: string): string {
  if (!exportedFiles(run).includes(path)) throw new StillhouseError('file.missing', { path });
  return path;
}
