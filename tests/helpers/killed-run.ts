import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { EpochRow, HistoryRow } from '../../src-main/protocol/events.ts';
import type { Recipe } from '../../src-main/protocol/recipe.ts';
import { listCheckpoints, loadCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { turns } from './wait.ts';

/** Trainings that are killed on purpose: shared by the test and `npm run bench -- kill`. */

/** What a kill waits for: a file that is being written, some steps, or some words after the start. */
export const AIMS = ['checkpoint', 'manifest', 'step', 'start'] as const;
export type Aim = (typeof AIMS)[number];

/** Numbers in [0, 1) that are the same for the same seed. */
export function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface Attempt {
  entry: string;
  run: string;
  recipe: Recipe;
  /** null: undisturbed. */
  kill: { aim: Aim; draw: () => number } | null;
}

/** What came of a training that may have been killed. */
export interface Outcome {
  ended: 'finished' | 'killed';
  /** A checkpoint was half written when the kill came. */
  inside: boolean;
  /** Milliseconds from the last checkpoint to the last step that was told of; null where either is missing. */
  lost: number | null;
  stepsLost: number;
}

/** Trains, and kills the process at the moment that `kill` aims at. @throws what else it may end with */
export async function attempt({ entry, run, recipe, kill }: Attempt): Promise<Outcome> {
  const rows: HistoryRow[] = [];
  const job = { kind: 'train', engine: engineFolder(), threads: 2, run, recipe, resume: 'auto' } as const;
  let killed = false;
  const end = (): void => {
    if (killed) return;
    killed = true;
    trainer.kill();
  };
  let left = Math.floor(1 + 8 * (kill?.draw() ?? 0));
  const trainer = spawnJob(job, {
    entry,
    onEvent: (event) => {
      if (kill?.aim === 'start' && --left <= 0) end();
      if (event.tell !== 'rows') return;
      rows.push(...event.rows);
      if (kill?.aim === 'step' && event.rows.some(({ type }) => type === 'step') && --left <= 0) end();
    },
  });
  const place = join(run, 'checkpoints');
  mkdirSync(place, { recursive: true });
  const watching =
    kill?.aim === 'checkpoint' || kill?.aim === 'manifest'
      ? watch(place, (_, name) => {
          const file = kill.aim === 'manifest' ? /^\.manifest.*\.tmp$/ : /^\.epoch.*\.tmp$/;
          if (!name || !file.test(name) || !existsSync(join(place, name)) || --left > 0) return;
          if (kill.aim === 'manifest') end();
          else void grown(join(place, name), kill.draw() * sizeOfLast(run)).then(end);
        })
      : null;
  try {
    await trainer.done;
    return { ended: 'finished', inside: false, ...lossOf(rows) };
  } catch (error) {
    if (!killed) throw error;
    return { ended: 'killed', inside: halfWritten(place), ...lossOf(rows) };
  } finally {
    watching?.close();
  }
}

/** Waits until a file that is being written has so many bytes, or is there no more. */
async function grown(path: string, bytes: number): Promise<void> {
  while ((statSync(path, { throwIfNoEntry: false })?.size ?? bytes) < bytes) await turns(1);
}

const sizeOfLast = (run: string): number => listCheckpoints(run).at(-1)?.bytes ?? 0;

function halfWritten(place: string): boolean {
  return readdirSync(place).some((name) => /^\.epoch.*\.tmp$/.test(name));
}

function lossOf(rows: readonly HistoryRow[]): { lost: number | null; stepsLost: number } {
  const saved = rows.filter((row) => row.type === 'checkpoint').at(-1);
  const step = rows.filter((row) => row.type === 'step').at(-1);
  if (!saved || !step) return { lost: null, stepsLost: 0 };
  return { lost: Math.max(0, step.time - saved.time), stepsLost: Math.max(0, step.step - saved.step) };
}

/** What the disk says after a kill. */
export interface Damage {
  /** Checkpoints that the manifest names and that are not there, or not as it says. */
  lost: string[];
  /** The newest whole one; 0 without any. */
  newest: number;
}

/** Reads every checkpoint that the manifest names. */
export function inspect(run: string): Damage {
  const place = join(run, 'checkpoints');
  const path = join(place, 'manifest.json');
  const named = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as { checkpoints: { file: string; sha256: string | null }[] }).checkpoints
    : [];
  const whole = ({ file, sha256 }: { file: string; sha256: string | null }): boolean => {
    const at = join(place, file);
    if (!existsSync(at)) return false;
    return sha256 === null || createHash('sha256').update(readFileSync(at)).digest('hex') === sha256;
  };
  const lost = named.filter((entry) => !whole(entry)).map(({ file }) => file);
  return { lost, newest: listCheckpoints(run).at(-1)?.step ?? 0 };
}

/** Loss and scores of each epoch, as the history has them. */
export function curve(run: string): Pick<EpochRow, 'epoch' | 'step' | 'trainLoss' | 'trainLr' | 'test' | 'testEma'>[] {
  return readHistory(run)
    .filter((row): row is EpochRow => row.type === 'epoch')
    .map(({ epoch, step, trainLoss, trainLr, test, testEma }) => ({ epoch, step, trainLoss, trainLr, test, testEma }));
}

/** A hash over every tensor of the newest checkpoint, by name. */
export async function stateHash(run: string): Promise<string> {
  const { checkpoint } = await loadCheckpoint(run);
  const hash = createHash('sha256');
  try {
    for (const [name, tensor] of checkpoint.tensors) {
      const { buffer, byteOffset, byteLength } = tensor.toFloat32();
      hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
    }
  } finally {
    checkpoint.close();
  }
  return hash.digest('hex');
}
