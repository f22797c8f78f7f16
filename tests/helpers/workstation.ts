import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromPlainError } from '../../src-main/protocol/errors.ts';
import type { ExportItem, WrittenExport } from '../../src-main/protocol/export.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import type { HistoryRow, JobProgress, ServiceEvent } from '../../src-main/protocol/events.ts';
import { WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { connect, serve, type Client } from '../../src-main/protocol/rpc.ts';
import { createWorkstation, type Workstation, type WorkstationOptions } from '../../src-main/service/workstation.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { portPair } from './port-pair.ts';
import { NEVER } from './wait.ts';

/** A home and a cache of their own in a temporary folder; the cache has the installed engine. */
export function ownPlaces(engine = true): { root: string; homeFolder: string; cacheFolder: string } {
  const root = mkdtempSync(join(tmpdir(), 'stillhouse-service-'));
  const cacheFolder = join(root, 'cache');
  mkdirSync(join(cacheFolder, 'engine'), { recursive: true });
  if (engine) symlinkSync(engineFolder(), join(cacheFolder, 'engine', 'cpu-2.21.0'));
  return { root, homeFolder: join(root, 'home'), cacheFolder };
}

/** Options of a workstation in places of its own. */
export function ownOptions(
  places: { homeFolder: string; cacheFolder: string },
  emit: (event: ServiceEvent) => void,
): WorkstationOptions {
  return { shell: 'server', ...places, spawnJob, emit };
}

/** A service, a window of it over a port, and what that has heard. */
export interface Front {
  heard: Heard;
  workstation: Workstation;
  client: Client;
  close(): Promise<void>;
}

/** Opens a service in places of its own. */
export function openFront(
  places: { homeFolder: string; cacheFolder: string },
  more: Partial<WorkstationOptions> = {},
): Front {
  const heard = new Heard();
  const sends = new Set<(event: ServiceEvent) => void>();
  const workstation = createWorkstation({
    ...ownOptions(places, (event) => sends.forEach((send) => send(event))),
    ...more,
  });
  const pair = portPair();
  sends.add(serve(pair.far, workstation.handlers));
  const client = connect(pair.near);
  client.onEvent(heard.hear);
  return {
    heard,
    workstation,
    client,
    close: async () => {
      await workstation.close();
      pair.close();
    },
  };
}

/** The smallest recipe that trains: two narrow blocks, steps of milliseconds. */
export function tinyRecipe(dataPath: string, changes: Partial<Recipe> = {}): Record<string, string | number | boolean> {
  return {
    model: 'test_deit_distilled_patch16_32',
    dataPath,
    inputSize: 32,
    batchSize: 8,
    epochs: 2,
    warmupEpochs: 0,
    lr: 0.003,
    numWorkers: 1,
    ...WITHOUT_AUGMENTATION,
    ...changes,
  };
}

/** Everything that a service tells, and promises of what it will. */
export class Heard {
  readonly events: ServiceEvent[] = [];
  private readonly checks = new Set<() => void>();

  readonly hear = (event: ServiceEvent): void => {
    this.events.push(event);
    for (const check of this.checks) check();
  };

  rows(run: string): HistoryRow[] {
    return this.events.flatMap((event) => (event.event === 'run' && event.run === run ? event.rows : []));
  }

  /** The first row that `wanted` accepts, now or later. */
  row<Row extends HistoryRow>(run: string, wanted: (row: HistoryRow) => row is Row): Promise<Row> {
    return this.until(`a row of ${run}`, () => this.rows(run).find(wanted));
  }

  /** The last progress of a job that has ended. */
  ended(job: string): Promise<JobProgress> {
    return this.until(`the end of ${job}`, () => {
      const all = this.events.flatMap((event) => (event.event === 'job' && event.progress.job === job ? [event] : []));
      return all.find(({ progress }) => progress.state !== 'running')?.progress;
    });
  }

  until<Found>(what: string, look: () => Found | undefined, timeout = NEVER): Promise<Found> {
    return new Promise((resolve, reject) => {
      const limit = AbortSignal.timeout(timeout);
      const give = () => done(() => reject(new Error(`waited in vain for ${what}`)));
      limit.addEventListener('abort', give);
      const check = (): void => {
        const found = look();
        if (found !== undefined) done(() => resolve(found));
      };
      const done = (settle: () => void): void => {
        limit.removeEventListener('abort', give);
        this.checks.delete(check);
        settle();
      };
      this.checks.add(check);
      check();
    });
  }
}

/** Exports a checkpoint in one format. @returns what was written. @throws Error what it failed with */
export async function written(
  { client, heard }: Pick<Front, 'client' | 'heard'>,
  { format, output, ...wish }: Omit<CallParams<'export.write'>, 'items'> & ExportItem,
): Promise<WrittenExport> {
  const { job } = await client.call('export.write', { ...wish, items: [{ format, ...(output && { output }) }] });
  const { result, error } = await heard.ended(job);
  if (error) throw fromPlainError(error);
  return (result as { written: WrittenExport[] }).written[0];
}
