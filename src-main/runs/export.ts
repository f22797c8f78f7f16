import { mkdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { divideShards, shardIndexText } from '../formats/shards.ts';
import { badFormat } from '../formats/source.ts';
import type { Model } from '../model/model.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { createModel } from '../model/zoo.ts';
import { EXPORT_FORMATS, endingOf, formatOfPath, type ExportFormat } from '../protocol/export-formats.ts';
import { diskError, writeChunksAtomic, writeFileAtomic } from '../base/files.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint-file.ts';
import { EXPORT_WRITERS, type Description } from './export-writers.ts';
import { checkpointsFolder, exportsFolder } from './run-folder.ts';
import { reason } from '../protocol/reasons.ts';

/** Weights for others: the model of a checkpoint under timm's names, without optimizer, with what using it takes. */

/** The written file: of several files their index, and the bytes of all. */
export interface Exported {
  path: string;
  bytes: number;
}

/** Bytes of arrays beyond which an export is divided over several files, as Hugging Face's was for long. */
const SHARD_BYTES = 5e9;

/** Parameters of the export call; `output` defaults to `exports/<model>-epoch-<n>.<format>` in the run's folder. */
export interface ExportRequest {
  /** File name inside the run's checkpoints. */
  checkpoint: string;
  format: ExportFormat;
  output?: string;
  /** The moving average of the model in its place. */
  average?: boolean;
}

/**
 * Exports a checkpoint of a run.
 * @throws StillhouseError `file.missing`, `weights.format`, `export.ending`, `disk.full`, `disk.denied`
 */
export async function exportCheckpoint(run: string, request: ExportRequest): Promise<Exported> {
  const { checkpoint, format, output, average } = request;
  const path = join(checkpointsFolder(run), basename(checkpoint));
  return exportFile(path, format, output ?? ((opened) => defaultOutput(run, opened, request)), { average });
}

function defaultOutput(run: string, { recipe, position }: Checkpoint, { format, average }: ExportRequest): string {
  const folder = exportsFolder(run);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder, 0);
  }
  const epoch = String(position.epoch).padStart(4, '0');
  return join(folder, `${recipe.model}-epoch-${epoch}${average ? '-average' : ''}.${endingOf(format)}`);
}

/** How to export a file. */
export interface ExportOptions {
  /** Bytes of arrays beyond which they are divided over several files. */
  shardBytes?: number;
  /** Export the moving average of the model in its place. */
  average?: boolean;
  /** Class names to write in place of the checkpoint's, as many. */
  classes?: string[];
}

/**
 * Exports any checkpoint file, as {@link writeModel} writes.
 * @throws StillhouseError as {@link exportCheckpoint}
 */
export async function exportFile(
  path: string,
  format: ExportFormat,
  output: string | ((checkpoint: Checkpoint) => string),
  { shardBytes, average = false, classes }: ExportOptions = {},
): Promise<Exported> {
  const checkpoint = openCheckpoint(path);
  try {
    const model = modelOf(checkpoint);
    const arrays = average ? averageOf(checkpoint, model) : arraysOf(checkpoint, model);
    if (!arrays) throw badFormat(path, reason('weights.no-average'));
    const facts = describeModel(checkpoint, model, average);
    const what = {
      arrays,
      facts: { ...facts, ...(classes && { classes }) },
      beside: average ? undefined : averageOf(checkpoint, model),
    };
    return await writeModel(what, format, typeof output === 'string' ? output : output(checkpoint), shardBytes);
  } finally {
    checkpoint.close();
  }
}

/** A network to write: its arrays by timm's names, facts about it, and its moving average where there is one. */
export interface ModelToWrite {
  arrays: ArrayToWrite[];
  facts: Description;
  /** For the formats whose row says `holdsAverage`. */
  beside?: ArrayToWrite[];
}

/**
 * Writes a network for others. An existing `output` is replaced when the new one is whole. Arrays of more than
 * `shardBytes` together go to several files beside `output`, and an index of them to `output`.index.json.
 * @throws StillhouseError `export.ending`, `disk.full`, `disk.denied`
 */
export async function writeModel(
  { arrays: own, facts, beside }: ModelToWrite,
  format: ExportFormat,
  output: string,
  shardBytes = SHARD_BYTES,
): Promise<Exported> {
  const target = resolve(output);
  if ((formatOfPath(target) ?? format) !== format) throw new StillhouseError('export.ending', { path: target, format });
  const shards = divideShards(own, basename(target), shardBytes);
  mkdirParent(target);
  let bytes = 0;
  const average = shards.length === 1 && EXPORT_FORMATS[format].holdsAverage ? beside : undefined;
  for (const { file, arrays } of shards) {
    const written = EXPORT_WRITERS[format](arrays, facts, average);
    bytes += (await writeChunksAtomic(join(dirname(target), file), written.chunks, written.bytes)).bytes;
  }
  if (shards.length === 1) return { path: target, bytes };
  // The index comes last: it is only there when all that it names is.
  const index = `${target}.index.json`;
  writeFileAtomic(index, shardIndexText(shards));
  return { path: index, bytes };
}

function modelOf({ recipe, classes }: Checkpoint): Model {
  return createModel(recipe.model, { classes: classes.length, inputSize: recipe.inputSize });
}

function arraysOf({ path, tensors }: Checkpoint, { specs }: Model, prefix = 'model.'): ArrayToWrite[] {
  return specs.map(({ name, shape, integer }) => {
    const array = tensors.get(prefix + name);
    if (array?.shape.join() !== shape.join())
      throw badFormat(path, reason('weights.lacks', { name, shape: shape.join(', ') }));
    return { name, shape, dtype: integer ? 'I64' : 'F32', values: () => array.toFloat32() };
  });
}

/** Describes the model for users of its weights, by timm's words. */
function describeModel({ recipe, classes, position }: Checkpoint, model: Model, average: boolean): Description {
  return {
    producer: 'stillhouse',
    architecture: model.name,
    num_classes: classes.length,
    classes,
    input_size: [3, model.inputSize, model.inputSize],
    mean: model.mean,
    std: model.std,
    crop_pct: recipe.evalCropRatio,
    interpolation: 'bicubic',
    epoch: position.epoch,
    step: position.step,
    ...(average && { average }),
  };
}

/** The moving average of the model, where the checkpoint has one. */
function averageOf(checkpoint: Checkpoint, model: Model): ArrayToWrite[] | undefined {
  const kept = checkpoint.tensors.has(`ema.${model.specs[0].name}`);
  return kept ? arraysOf(checkpoint, model, 'ema.') : undefined;
}

function mkdirParent(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw diskError(error, path, 0);
  }
}
