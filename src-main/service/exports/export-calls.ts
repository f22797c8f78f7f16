import { StillhouseError } from '../../protocol/errors.ts';
import { CHECK_IMAGES } from '../../protocol/export.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { exportCheckpoint } from '../../runs/export.ts';
import { exportedFiles, rememberExport } from '../../runs/export-list.ts';
import { trashExport } from '../../runs/export-trash.ts';
import { absolute } from '../data/datasets.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import { exportInfo, filesOf, listExports } from './export-info.ts';
import type { Jobs } from '../jobs/jobs.ts';
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
      'export.list': async ({ run }) => listExports(this.parts.shelf.pathOf(run)),
      'export.check': async (asked) => ({ job: await this.check(asked) }),
      'export.delete': async (asked) => (this.remove(asked), null),
    } satisfies Partial<Handlers>;
  }

  private async write(request: CallParams<'export.write'>): Promise<{ path: string; bytes: number }> {
    const run = this.parts.shelf.pathOf(request.run);
    const output = request.output === undefined ? {} : { output: absolute(request.output) };
    const written = await exportCheckpoint(run, { ...request, ...output });
    rememberExport(run, written.path);
    return written;
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

/** Only what is listed is touched. @throws StillhouseError `file.missing` */
function listed(run: string, path: string): string {
  if (!exportedFiles(run).includes(path)) throw new StillhouseError('file.missing', { path });
  return path;
}
