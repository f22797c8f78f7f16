import type { NamedArray } from '../formats/named-array.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { parseSavedRecipe, type Recipe } from '../protocol/recipe.ts';
import { PREFIX } from '../train/variables.ts';
import { openWeights, type OpenedWeights } from './open-weights.ts';

/** What any file with weights holds, whoever wrote it. */
export interface Weights {
  /** The file that was read: of a folder, the one in it. */
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
 * Opens what {@link openWeights} opens while `body` runs.
 * @param options.average take the moving average of the model in its place.
 * @throws what that throws, what `body` throws, and `weights.format` where there is no average to take.
 */
export async function withWeights<Result>(
  path: string,
  body: (weights: Weights) => Result | Promise<Result>,
  { average = false }: { average?: boolean } = {},
): Promise<Result> {
  const opened = average ? openAverage(path) : openWeights(path);
  try {
    const weights = weightsOf(opened);
    return await body(average ? { ...weights, tensors: averageOf(opened.file.tensors) } : weights);
  } finally {
    opened.close();
  }
}

/** A checkpoint of ours that holds an average, or that of one of DeiT's. */
function openAverage(path: string): OpenedWeights {
  const opened = openWeights(path);
  if ([...opened.file.tensors.keys()].some((name) => name.startsWith(PREFIX.ema))) return opened;
  opened.close();
  if (opened.file.entries.includes('model_ema')) return openWeights(path, { entry: 'model_ema' });
  const reason = 'it holds no moving average of the model';
  throw new StillhouseError('weights.format', { path: opened.path, reason });
}

function averageOf(tensors: Map<string, NamedArray>): Map<string, NamedArray> {
  const own = [...tensors].filter(([name]) => name.startsWith(PREFIX.ema));
  return own.length > 0 ? new Map(own.map(([name, tensor]) => [name.slice(PREFIX.ema.length), tensor])) : tensors;
}

/** What opened weights tell, and the model's arrays among theirs. */
export function weightsOf({ path, file: { tensors, metadata } }: Pick<OpenedWeights, 'path' | 'file'>): Weights {
  const classes = classNames(metadata.classes);
  return { path, tensors: modelOf(tensors), classes, settings: settingsOf(metadata), metadata };
}

function modelOf(tensors: Map<string, NamedArray>): Map<string, NamedArray> {
  const own = [...tensors].filter(([name]) => name.startsWith(PREFIX.model));
  const parts = Object.values(PREFIX);
  const isCheckpoint =
    own.length > 0 && [...tensors.keys()].every((name) => parts.some((part) => name.startsWith(part)));
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
 * @throws StillhouseError `weights.format` when no head is found.
 */
export function classCount({ path, tensors, classes }: Weights): number {
  if (classes) return classes.length;
  const head = [...tensors].find(([name, { shape }]) => HEAD.test(name) && shape.length === 2);
  if (!head) throw new StillhouseError('weights.format', { path, reason: 'it has no layer that tells classes apart' });
  return head[1].shape[0];
}
