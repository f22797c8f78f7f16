import { basename, join } from 'node:path';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { CHECK_IMAGES, type ExportSize, type WrittenExport } from '../../protocol/export.ts';
import { isCheckable, isComputed } from '../../protocol/export-formats.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { sizesOf } from '../../runs/export-sizes.ts';
import { exportedFiles, rememberExport } from '../../runs/export-list.ts';
import { trashExport } from '../../runs/export-trash.ts';
import { checkpointsFolder, exportsFolder } from '../../runs/run-folder.ts';
import type { CheckExportJob, EngineChoice, ExportJob } from '../../jobs/job-protocol.ts';
import { withNetwork } from '../../weights/export-weights.ts';
import { absolute } from '../data/datasets.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import { exportInfo, filesOf, listExports } from './export-info.ts';
import type { Jobs, Work } from '../jobs/jobs.ts';
import { weightFileOf } from '../../weights/open-weights.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { RunStore } from '../runs/run-store.ts';
import { runJob } from '../jobs/run-job.ts';

interface Parts {
  shelf: RunStore;
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
      'export.list': async ({ run }) => listExports(this.parts.shelf.pathOf(run)),
      'export.check': async (asked) => ({ job: await this.check(asked) }),
      'export.delete': async (asked) => (this.remove(asked), null),
    } satisfies Partial<Handlers>;
  }

  private async write(request: CallParams<'export.write'>): Promise<{ job: string }> {
    const { shelf, engine: desk, jobs, spawnJob } = this.parts;
    const { run: id, checkpoint, folder, images, inputSize, inputWidth, average = false } = request;
    const run = shelf.pathOf(id);
    const weights = checkpointPath(run, checkpoint);
    const computes = images !== undefined || request.items.some(({ format }) => isComputed(format));
    const { engine, gpu } = await engineFor(desk, shelf.recipeOf(run).device, computes);
    const items = request.items.map((item) => (item.output === undefined ? item : { ...item, output: absolute(item.output) })); // prettier-ignore
    const settings = inputSize === undefined ? {} : { inputSize };
    const what = { engine, gpu, average, settings, inputWidth };
    const job: ExportJob = {
      ...what,
      kind: 'export',
      weights,
      items,
      licence: request.licence,
      folder: folder === undefined ? exportsFolder(run) : absolute(folder),
      resized: inputSize !== undefined || inputWidth !== undefined,
    };
    const work: Work = async (context) => {
      const { written } = await runJob(spawnJob, job, context);
      for (const { path } of done(written)) rememberExport(run, path);
      const [first] = written;
      if (first?.error && done(written).length === 0) throw fromPlainError(first.error);
      for (const { path, format } of images === undefined ? [] : done(written)) {
        if (!isCheckable(format)) continue;
        if (context.signal.aborted) break;
        const check: CheckExportJob = { ...what, kind: 'check-export', path, checkpoint: weights, images: images! };
        await runJob(spawnJob, check, { ...context, report: (next) => context.report({ unit: 'files', ...next }) });
      }
      return { written };
    };
    return { job: jobs.start('export', `export:${run}`, 'bytes', work) };
  }

  private async sizes({ run: id, checkpoint, average }: CallParams<'export.sizes'>): Promise<ExportSize[]> {
    const path = checkpointPath(this.parts.shelf.pathOf(id), checkpoint);
    return withNetwork(path, { average, settings: {} }, async (network) => sizesOf(network));
  }

  private async check({ run, path, images = CHECK_IMAGES }: CallParams<'export.check'>): Promise<string> {
    const { shelf, engine: desk, jobs, spawnJob } = this.parts;
    const folder = shelf.pathOf(run);
    const info = exportInfo(folder, listed(folder, path));
    // Of a file that cannot be read nothing tells what it was made from.
    const checkpoint = info.error ? weightFileOf(folder) : info.checkpoint;
    if (!checkpoint) throw new StillhouseError('export.no-checkpoint', { path });
    const { engine, gpu } = await desk.choose(shelf.recipeOf(folder).device);
    const { average } = info;
    const job = { kind: 'check-export', engine, gpu, path, checkpoint, average, images, settings: {} } as const;
    return jobs.start('export', `export:${path}`, 'files', (context) => runJob(spawnJob, job, context));
  }

  private remove({ run, path }: CallParams<'export.delete'>): void {
    const folder = this.parts.shelf.pathOf(run);
    trashExport(folder, listed(folder, path), filesOf(path));
    this.parts.onChange();
  }
}

function checkpointPath(run: string, file: string): string {
  return join(checkpointsFolder(run), basename(file));
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
