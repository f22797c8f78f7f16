import { basename } from 'node:path';
import type { NamedArray } from '../formats/named-array.ts';
import { readSafetensors } from '../formats/safetensors.ts';
import { badFormat } from '../formats/source.ts';
import type { CheckpointInfo } from '../protocol/data-types.ts';
import { parseSavedRecipe, type Recipe } from '../protocol/recipe.ts';
import type { Position } from '../train/position.ts';
import { openFile, type FileSource } from './file-source.ts';
import { reason } from '../protocol/reasons.ts';

/** One checkpoint file: its name, and what its header says beside the tensors. */

const FORMAT = 'stillhouse-checkpoint-1';

/** Facts that a checkpoint holds beside its tensors. */
export interface CheckpointFacts {
  position: Position;
  recipe: Recipe;
  /** Class names by label. */
  classes: string[];
}

/** An open checkpoint. Tensors are read when asked for; close it when done. */
export interface Checkpoint extends CheckpointFacts {
  path: string;
  /** Unique to this writing of the file. */
  id: string;
  info: CheckpointInfo;
  /** `model.<timm name>`, `exp_avg.<…>`, `exp_avg_sq.<…>`, … */
  tensors: Map<string, NamedArray>;
  close(): void;
}

/** Returns the file name of the checkpoint at a position. Names sort by time. */
export function checkpointFile({ epoch, step }: Position): string {
  return `epoch-${String(epoch).padStart(4, '0')}-step-${String(step).padStart(8, '0')}.safetensors`;
}

/** Tells whether a name is one that {@link checkpointFile} gives: a plain name, never a path. */
export function isCheckpointFile(name: string): boolean {
  return /^epoch-\d{4,9}-step-\d{8,15}\.safetensors$/.test(name);
}

/**
 * Opens any checkpoint file by its path, checking its header and size.
 * @throws StillhouseError `file.missing`, `weights.format` when it is no checkpoint or not whole.
 */
export function openCheckpoint(path: string): Checkpoint {
  const source = openFile(path);
  try {
    return parseCheckpoint(source, path);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Reads the header of a checkpoint over an open file. @throws StillhouseError `weights.format` */
export function parseCheckpoint(source: FileSource, path: string): Checkpoint {
  const { metadata, tensors } = readSafetensors(source, path);
  const { id, time, ...facts } = decodeFacts(metadata, path);
  const { epoch, step } = facts.position;
  const unknown = { acc1: null, acc1Ema: null, best: false, bestEma: false, last: false, pinned: false };
  const info = { file: basename(path), epoch, step, time, bytes: source.size, ...unknown };
  return { ...facts, path, id, info, tensors, close: source.close };
}

/** Encodes the metadata of the header; `id` is new for each writing. */
export function encodeFacts(facts: CheckpointFacts, id: string, time: number): Record<string, string> {
  const { position, recipe, classes } = facts;
  const text = JSON.stringify;
  return {
    format: FORMAT,
    id,
    time: text(time),
    position: text(position),
    recipe: text(recipe),
    classes: text(classes),
  };
}

function decodeFacts(metadata: Record<string, string>, path: string): CheckpointFacts & { id: string; time: number } {
  if (metadata.format !== FORMAT) throw badFormat(path, reason('checkpoint.other'));
  try {
    const position = JSON.parse(metadata.position) as Position;
    const { epoch, batch, step, lossSum } = position;
    const time = Number(metadata.time);
    if (![epoch, batch, step, time].every((value) => Number.isSafeInteger(value) && value >= 0))
      throw new Error('position');
    if (typeof lossSum !== 'number') throw new Error('lossSum');
    if (!areScores(position.scores)) throw new Error('scores');
    const recipe = parseSavedRecipe(JSON.parse(metadata.recipe) as Record<string, unknown>);
    const classes = JSON.parse(metadata.classes) as unknown;
    if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string')) throw new Error('classes');
    return { id: metadata.id ?? '', time, position, recipe, classes };
  } catch (error) {
    throw badFormat(path, reason('checkpoint.header', { why: (error as Error).message }), error);
  }
}

function areScores(scores: unknown): boolean {
  return scores === undefined || (Array.isArray(scores) && scores.every((one) => one === null || Number.isFinite(one)));
}
