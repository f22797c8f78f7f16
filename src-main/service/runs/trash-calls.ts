import { join } from 'node:path';
import type { Trash, TrashItem } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { emptyExport, isTrashedExport, restoreExport, trashedExports } from '../../runs/export-trash.ts';
import {
  emptyCheckpoint,
  emptyRun,
  restoreCheckpoint,
  restoreRun,
  trashedCheckpoints,
  trashedRun,
} from '../../runs/trash.ts';
import { checkpointsFolder, openRun } from '../../runs/run-folder.ts';
import type { RunStore } from './run-store.ts';

/** Days that what a person deleted is kept. */
export const TRASH_DAYS = 30;

const DAY = 86_400_000;
/** Milliseconds between the start of the service and the first look for what is too old: a start is busy enough. */
const FIRST_LOOK = 30_000;

/** Names one thing in the trash, as {@link TrashItem} does. */
export type TrashName = Pick<TrashItem, 'run' | 'file'>;

/** The trash of all runs. What is older than {@link TRASH_DAYS} goes by itself while the service runs. */
export class TrashCalls {
  private readonly timers: NodeJS.Timeout[];

  constructor(
    private readonly shelf: RunStore,
    private readonly onSwept: () => void,
  ) {
    const sweep = (): void => {
      if (this.sweep() > 0) this.onSwept();
    };
    this.timers = [setTimeout(sweep, FIRST_LOOK), setInterval(sweep, DAY / 4)];
    for (const timer of this.timers) timer.unref();
  }

  close(): void {
    this.timers.forEach(clearTimeout);
  }

  list(): Trash {
    const { runs, trashed } = this.shelf.folders();
    const whole = [...trashed].flatMap(([run, folder]) => {
      const found = trashedRun(folder);
      return found ? [{ kind: 'run' as const, run, file: null, model: found.run?.recipe.model ?? '', path: folder, bytes: found.bytes, time: found.time }] : []; // prettier-ignore
    });
    const single = [...runs].flatMap(([run, folder]) => singleItems(run, folder));
    return { days: TRASH_DAYS, items: [...whole, ...single].sort((a, b) => b.time - a.time) };
  }

  /** @throws StillhouseError `run.missing`, `run.exists`, `disk.denied` */
  restoreRun(run: string): void {
    restoreRun(this.trashedPath(run));
  }

  /** @returns the checkpoint's file name. @throws as `restoreCheckpoint`. */
  restoreCheckpoint(run: string, file: string): string {
    return restoreCheckpoint(this.shelf.pathOf(run), file);
  }

  /** @throws as `restoreExport`. */
  restoreExport(run: string, file: string): void {
    restoreExport(this.shelf.pathOf(run), file);
  }

  /**
   * Removes for good what is named, and nothing else: what came into the trash since a person looked stays.
   * @throws StillhouseError `run.missing`, `file.missing`, `run.locked`, `disk.denied` of the first that cannot go.
   */
  empty(items: readonly TrashName[]): { count: number; bytes: number } {
    let bytes = 0;
    for (const { run, file } of items) {
      if (file === null) bytes += emptyRun(this.trashedPath(run));
      else bytes += (isTrashedExport(file) ? emptyExport : emptyCheckpoint)(this.shelf.pathOf(run), file);
    }
    return { count: items.length, bytes };
  }

  /** Removes what has been in the trash too long. @returns how much that was. */
  sweep(now = Date.now()): number {
    const old = this.list().items.filter(({ time }) => now - time > TRASH_DAYS * DAY);
    return old.filter((item) => {
      try {
        return this.empty([item]).count > 0;
      } catch {
        // What cannot be removed now, on a disk that is away say, is tried again the next time.
        return false;
      }
    }).length;
  }

  private trashedPath(run: string): string {
    const path = this.shelf.folders().trashed.get(run);
    if (!path) throw new StillhouseError('run.missing', { path: run });
    return path;
  }
}

function singleItems(run: string, folder: string): TrashItem[] {
  const [checkpoints, exports] = [trashedCheckpoints(folder), trashedExports(folder)];
  if (checkpoints.length + exports.length === 0) return [];
  const model = modelOf(folder);
  return [
    ...checkpoints.map(({ name, file, bytes, time }) => ({
      ...{ kind: 'checkpoint' as const, run, file: name, model, bytes, time },
      path: join(checkpointsFolder(folder), file),
    })),
    ...exports.map(({ name, path, bytes, time }) => {
      return { kind: 'export' as const, run, file: name, model, path, bytes, time };
    }),
  ];
}

function modelOf(folder: string): string {
  try {
    return openRun(folder).recipe.model;
  } catch {
    return '';
  }
}
