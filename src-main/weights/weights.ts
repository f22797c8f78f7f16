import { basename } from 'node:path';
import type { NamedArray } from '../formats/named-array.ts';
import { beneath } from '../model/prefixes.ts';
import { modelNamed } from '../model/zoo.ts';
import {
  StillhouseError,
  toPlainError,
  type ErrorCode,
  type ErrorParams,
  type PlainError,
} from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { parseSavedRecipe, type Recipe } from '../protocol/recipe.ts';
import type { CardValues } from '../protocol/teacher-card.ts';
import { PREFIX } from '../train/variables.ts';
import { metadataValues } from './foreign-model.ts';
import { readHubConfig, type HubConfig } from './hub-config.ts';
import { publishedConfig } from './published-config.ts';
import { openWeights, type OpenedWeights } from './open-weights.ts';

/** The content of any file with weights, whoever wrote it. */
export interface Weights {
  /** The file that was read: of a folder, the one in it. */
  path: string;
  /** The model's arrays alone; of a checkpoint of ours without optimizer and prefix. */
  tensors: Map<string, NamedArray>;
  /** Class names by label, where the file tells them. */
  classes: string[] | null;
  /** The name of the file that tells them. */
  classSource: string;
  /** Settings that the model was trained with, for a checkpoint or an export of ours; {} for other files. */
  settings: Partial<Recipe>;
  /** Texts beside the arrays, as they stand there. */
  metadata: Record<string, string>;
  /** The network that the file, or the config beside it, names; null where neither does. */
  said: Said | null;
  /** How images are prepared, as far as the file, or the config beside it, says. */
  preparation: CardValues;
  /** Width of the images where they are not square; `preparation` has their height. */
  inputWidth?: number;
  /** Notes for people on arrays that were taken and left out. */
  notes: PlainError[];
}

/** A network as a file names it. */
export interface Said {
  /** The file that names it. */
  source: string;
  named: string;
  /** Our name; null where there is none here. */
  model: string | null;
  /** Only how it was trained, which no reader has to go by. */
  hint: boolean;
}

/** Says which of the arrays in a file are meant. */
export interface WeightsWish {
  /** The moving average of the model in its place. */
  average?: boolean;
  /** A state dict of a torch file, or the beginning of the names of the network's arrays. */
  entry?: string;
}

/**
 * Opens what {@link openWeights} opens while `body` runs.
 * @throws what that throws, what `body` throws, `weights.entry`, `weights.prefixes` where it is not clear which arrays
 * are meant, `weights.no-average` where there is no average to take, `weights.config`.
 */
export async function withWeights<Result>(
  path: string,
  body: (weights: Weights) => Result | Promise<Result>,
  { average = false, entry }: WeightsWish = {},
): Promise<Result> {
  const opened = average && !entry ? openAverage(path) : openWeights(path, entry ? { entry } : {});
  try {
    const tensors = average ? averageOf(opened.file.tensors) : undefined;
    return await body(weightsOf(opened, { entry, average, tensors }));
  } finally {
    opened.close();
  }
}

/** Names of the state dict of a moving average in DeiT, timm and other programs. */
const AVERAGES = ['model_ema', 'state_dict_ema', 'ema_state_dict', 'ema', 'model_ema_state_dict', 'ema_model', 'swa_model']; // prettier-ignore

/** A checkpoint of ours that holds an average, or that of another program. */
function openAverage(path: string): OpenedWeights {
  const opened = openWeights(path);
  if ([...opened.file.tensors.keys()].some((name) => name.startsWith(PREFIX.ema))) return opened;
  opened.close();
  const { entries } = opened.file;
  const entry = AVERAGES.find((name) => entries.includes(name));
  if (entry) return openWeights(path, { entry });
  throw new StillhouseError('weights.no-average', { path: opened.path, entries: entriesText(entries) });
}

function entriesText(entries: readonly string[]): string {
  return entries
    .map((name) => name || '(…)')
    .join(', ')
    .slice(0, 500);
}

function averageOf(tensors: Map<string, NamedArray>): Map<string, NamedArray> {
  const own = partOf(tensors, PREFIX.ema);
  return own.size > 0 ? own : tensors;
}

type Opened = Pick<OpenedWeights, 'path' | 'file'>;

/**
 * Reads the settings of opened weights, and finds the model's arrays among theirs.
 * @throws StillhouseError `weights.prefixes`, `weights.entry`, `weights.config`
 */
export function weightsOf(
  { path, file }: Opened,
  { entry, average, tensors = file.tensors }: WeightsWish & { tensors?: Map<string, NamedArray> } = {},
): Weights {
  const { metadata } = file;
  const prefix = entry && file.entry !== entry ? entry : undefined;
  const { own, left, rivals, taken } = arraysOf(tensors, prefix);
  if (rivals.length > 1) throw new StillhouseError('weights.prefixes', { path, prefixes: rivals.join(', ') });
  if (prefix !== undefined && own.size === 0)
    throw new StillhouseError('weights.entry', { path, entry: prefix, entries: entriesText(file.entries) });
  const config = readHubConfig(path) ?? publishedConfig(path);
  const settings = settingsOf(metadata);
  const said = saidBy(path, metadata, settings, config);
  const notes: PlainError[] = [];
  const note = (code: ErrorCode, params: ErrorParams) => notes.push(toPlainError(new StillhouseError(code, params)));
  if (file.entries.length > 1 && !entry && !average)
    note('weights.entry-taken', { path, entries: entriesText(file.entries), entry: file.entry || '(…)' });
  if (left.length > 0) note('weights.left-out', { path, prefix: taken, count: left.length, examples: some(left) });
  if (config?.squash) note('weights.squash', { path: config.path, size: config.values.inputSize ?? 0 });
  return {
    path,
    tensors: own,
    classes: config?.classes ?? classNames(metadata.classes ?? metadata.label_names),
    classSource: basename(config?.classes ? config.path : path),
    settings,
    metadata,
    said,
    inputWidth: widthIn(metadata) ?? config?.inputWidth,
    preparation: {
      ...trainedValues(metadata, said),
      ...metadataValues(metadata),
      ...config?.values,
      classes: undefined,
    },
    notes,
  };
}

interface OwnArrays {
  own: Map<string, NamedArray>;
  left: string[];
  rivals: string[];
  taken: string;
}

function arraysOf(tensors: Map<string, NamedArray>, prefix: string | undefined): OwnArrays {
  if (isOwnCheckpoint(tensors)) {
    const part = prefix === undefined ? PREFIX.model : `${prefix.replace(/\.+$/, '')}.`;
    return { own: partOf(tensors, part), left: [], rivals: [], taken: '' };
  }
  const { tensors: own, left, rivals, prefix: taken } = beneath(tensors, prefix);
  return { own: new Map(own), left, rivals, taken };
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => (name.length > 80 ? `${name.slice(0, 80)}…` : name));
  return shown.join(', ') + (names.length > 3 ? ', …' : '');
}

function saidBy(
  path: string,
  { trained_model: trained, trained_input_size: size }: Record<string, string>,
  { model }: Partial<Recipe>,
  config: HubConfig | null,
): Said | null {
  if (model) return { source: basename(path), named: model, model: modelNamed(model), hint: false };
  if (config) return { source: basename(config.path), named: config.named, model: config.model, hint: false };
  const found = trained ? modelNamed(trained, Number(size)) : null;
  return found ? { source: 'args.model', named: trained, model: found, hint: true } : null;
}

/** How images were prepared in a training of timm or DeiT, where its arguments tell. */
function trainedValues(metadata: Record<string, string>, said: Said | null): CardValues {
  if (!said?.hint) return {};
  const own = Object.entries(metadata).flatMap(([key, text]): [string, string][] => {
    const [, name] = /^trained_(input_size|crop_pct|mean|std|interpolation)$/.exec(key) ?? [];
    return name ? [[name, text]] : [];
  });
  return metadataValues(Object.fromEntries(own));
}

/** Whether arrays are those of a checkpoint of ours: the model, and what training keeps beside it. */
function isOwnCheckpoint(tensors: Map<string, NamedArray>): boolean {
  const names = [...tensors.keys()];
  const parts = Object.values(PREFIX);
  const models = names.some((name) => name.startsWith(PREFIX.model));
  return models && names.every((name) => parts.some((part) => name.startsWith(part)));
}

function partOf(tensors: Map<string, NamedArray>, part: string): Map<string, NamedArray> {
  const own = [...tensors].filter(([name]) => name.startsWith(part));
  return new Map(own.map(([name, tensor]) => [name.slice(part.length), tensor]));
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

/** Reads the width of images that are not square; undefined for squares. */
export function widthIn({ input_size: size }: Record<string, string>): number | undefined {
  const [, height, width] = (parsed(size) ?? []) as unknown[];
  return typeof width === 'number' && width !== height ? width : undefined;
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
 * Counts the classes of the network in a weight file, by the size of its head.
 * @throws StillhouseError `weights.format` when no head is found.
 */
export function headClasses({ path, tensors }: Pick<Weights, 'path' | 'tensors'>): number {
  const head = [...tensors].find(([name, { shape }]) => HEAD.test(name) && shape.length === 2);
  if (!head) throw new StillhouseError('weights.format', { path, reason: reason('weights.no-head') });
  return head[1].shape[0];
}

/**
 * Checks that there are as many names as outputs, and returns the names.
 * @throws StillhouseError `weights.names-count`
 */
export function requireClasses(weights: Weights, names: string[]): string[] {
  const count = headClasses(weights);
  if (names.length === count) return names;
  throw new StillhouseError('weights.names-count', { path: weights.path, count, names: names.length });
}

/**
 * Counts the classes of a weight file, by their names where it has them, else by its head.
 * @throws as {@link headClasses}
 */
export function classCount(weights: Weights): number {
  return weights.classes?.length ?? headClasses(weights);
}
