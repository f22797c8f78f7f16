import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedArray } from '../formats/named-array.ts';
import { openWeightFile } from '../formats/weight-file.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { parseSavedRecipe, type Recipe } from '../protocol/recipe.ts';
import { bestCheckpoint, latestCheckpoint } from '../runs/checkpoint.ts';
import { openFile } from '../runs/file-source.ts';
import { checkpointsFolder } from '../runs/run-folder.ts';
import { PREFIX } from '../train/variables.ts';

/** What any file with weights holds, whoever wrote it. */
export interface Weights {
  /** The file that was read: for a run folder, its best checkpoint. */
  path: string;
  /** The model's arrays alone; of a checkpoint of ours without optimizer and prefix. */
  tensors: Map<string, NamedArray>;
  /** Class names by label, where the file tells them. */
  classes: string[] | null;
  /** What the model was trained with, of a checkpoint or an export of ours; {} of other files. */
  settings: Partial<Recipe>;
  /** Texts beside the arrays, as they stand there. */
  metadata: Record<string, string>;
}

/**
 * Opens a weight file, a checkpoint, or the best checkpoint of a run folder, while `body` runs.
 * @throws StillhouseError `file.missing`, `run.no-checkpoint`, `weights.format`, `weights.hostile`, and what `body` throws.
 */
export async function withWeights<Result>(
  path: string,
  body: (weights: Weights) => Result | Promise<Result>,
): Promise<Result> {
  const file = weightFileOf(path);
  const source = openFile(file);
  try {
    const { tensors, metadata } = openWeightFile(source, file);
    const classes = classNames(metadata.classes);
    return await body({ path: file, tensors: modelOf(tensors), classes, settings: settingsOf(metadata), metadata });
  } finally {
    source.close();
  }
}

function weightFileOf(path: string): string {
  if (!existsSync(join(path, 'run.json'))) return path;
  const info = bestCheckpoint(path) ?? latestCheckpoint(path);
  if (!info) throw new StillhouseError('run.no-checkpoint', { path });
  return join(checkpointsFolder(path), info.file);
}

function modelOf(tensors: Map<string, NamedArray>): Map<string, NamedArray> {
  const own = [...tensors].filter(([name]) => name.startsWith(PREFIX.model));
  const isCheckpoint = own.length > 0 && [...tensors.keys()].some((name) => name.startsWith(PREFIX.mean));
  return isCheckpoint ? new Map(own.map(([name, tensor]) => [name.slice(PREFIX.model.length), tensor])) : tensors;
}

function classNames(text: string | undefined): string[] | null {
  const names = parsed(text);
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : null;
}

function settingsOf({ recipe, architecture, input_size, crop_pct }: Record<string, string>): Partial<Recipe> {
  const whole = parsed(recipe);
  if (typeof whole === 'object' && whole !== null) return parseSavedRecipe(whole as Record<string, unknown>);
  if (!architecture) return {};
  const [size, evalCropRatio] = [parsed(input_size), parsed(crop_pct)];
  return {
    model: architecture,
    ...(Array.isArray(size) && typeof size[1] === 'number' ? { inputSize: size[1] } : {}),
    ...(typeof evalCropRatio === 'number' ? { evalCropRatio } : {}),
  };
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return null;
  }
}

/** The class head's weight [classes, width], by the names that different programs give it. */
const HEAD = /^(head|head\.fc|fc|_fc|classifier|cls_classifier)\.weight$/;

/**
 * How many classes the network of a weight file tells apart.
 * @throws StillhouseError `weights.format` when no head is found, and those of {@link withWeights}.
 */
export function headClasses(path: string): Promise<number> {
  return withWeights(path, classCount);
}

/** As {@link headClasses}, of an open file. */
export function classCount({ path, tensors, classes }: Weights): number {
  if (classes) return classes.length;
  const head = [...tensors].find(([name, { shape }]) => HEAD.test(name) && shape.length === 2);
  if (!head) throw new StillhouseError('weights.format', { path, reason: 'it has no layer that tells classes apart' });
  return head[1].shape[0];
}
