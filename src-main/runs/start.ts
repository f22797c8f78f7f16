import { basename, dirname, resolve } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { latestCheckpoint } from './checkpoint.ts';
import { isCheckpointFile } from './checkpoint-file.ts';
import { checkpointsFolder } from './run-folder.ts';

/** The source of the values at a run's first step. */
export type Start =
  | { kind: 'own'; file: string }
  | { kind: 'named'; path: string }
  | { kind: 'pretrained'; path: string }
  | { kind: 'fresh' };

/** The wish of a person; '' for nothing. */
export interface StartWish {
  /** `auto`: go on where this run stands, if it does. A path: the checkpoint that file is. '': do not resume. */
  resume: string;
  /** Weights to fine-tune from. */
  finetune: string;
}

/**
 * Decides where a run in `folder` starts:
 * 1. at its own last complete checkpoint, or at the own one that was named (`rewindRun` then): whatever else was
 *    asked for went into that already;
 * 2. at the checkpoint named, with optimizer, schedule and sampler;
 * 3. with pretrained weights, at step 0;
 * 4. fresh.
 * @throws StillhouseError `run.exists` when there is an own checkpoint and resuming was not asked for.
 */
export function chooseStart(folder: string, { resume, finetune }: StartWish): Start {
  const own = latestCheckpoint(folder);
  if (own && resume === '') throw new StillhouseError('run.exists', { path: folder });
  if (own) return { kind: 'own', file: ownFile(folder, resume) ?? own.file };
  if (resume !== '' && resume !== 'auto') return { kind: 'named', path: resume };
  return finetune === '' ? { kind: 'fresh' } : { kind: 'pretrained', path: finetune };
}

function ownFile(folder: string, path: string): string | null {
  const inside = dirname(resolve(path)) === resolve(checkpointsFolder(folder));
  return inside && isCheckpointFile(basename(path)) ? basename(path) : null;
}
