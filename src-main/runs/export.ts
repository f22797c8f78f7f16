import { mkdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import { badFormat } from '../formats/source.ts';
import { torchFileBytes, writeTorchFile, type TorchFileOptions } from '../formats/torch-writer.ts';
import type { Model } from '../model/model.ts';
import { createModel } from '../model/zoo.ts';
import { diskError, writeChunksAtomic } from './atomic-file.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint-file.ts';
import { checkpointsFolder } from './run-folder.ts';

/** Weights for others: the model of a checkpoint under timm's names, without optimizer, with what using it takes. */

export type ExportFormat = 'safetensors' | 'pth';

/** What was written. */
export interface Exported {
  path: string;
  bytes: number;
}

/** What the export call asks; `output` defaults to `exports/<model>-epoch-<n>.<format>` in the run's folder. */
export interface ExportRequest {
  /** File name inside the run's checkpoints. */
  checkpoint: string;
  format: ExportFormat;
  output?: string;
}

/**
 * Exports a checkpoint of a run.
 * @throws StillhouseError `file.missing`, `weights.format`, `disk.full`, `disk.denied`
 */
export async function exportCheckpoint(run: string, { checkpoint, format, output }: ExportRequest): Promise<Exported> {
  const path = join(checkpointsFolder(run), basename(checkpoint));
  return exportFile(path, format, output ?? ((opened) => defaultOutput(run, opened, format)));
}

function defaultOutput(run: string, { recipe, position }: Checkpoint, format: ExportFormat): string {
  const folder = join(run, 'exports');
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder, 0);
  }
  return join(folder, `${recipe.model}-epoch-${String(position.epoch).padStart(4, '0')}.${format}`);
}

/**
 * Exports any checkpoint file. An existing `output` is replaced when the new one is whole.
 * @throws as {@link exportCheckpoint}
 */
export async function exportFile(
  path: string,
  format: ExportFormat,
  output: string | ((checkpoint: Checkpoint) => string),
): Promise<Exported> {
  const checkpoint = openCheckpoint(path);
  try {
    const target = resolve(typeof output === 'string' ? output : output(checkpoint));
    const model = modelOf(checkpoint);
    const arrays = arraysOf(checkpoint, model);
    const { bytes } = await writeExport(target, format, arrays, describeModel(checkpoint, model));
    return { path: target, bytes };
  } finally {
    checkpoint.close();
  }
}

function modelOf({ recipe, classes }: Checkpoint): Model {
  return createModel(recipe.model, { classes: classes.length, inputSize: recipe.inputSize });
}

function arraysOf({ path, tensors }: Checkpoint, { specs }: Model): ArrayToWrite[] {
  return specs.map(({ name, shape, integer }) => {
    const array = tensors.get(`model.${name}`);
    if (array?.shape.join() !== shape.join()) throw badFormat(path, `it lacks ${name} [${shape.join(', ')}]`);
    return { name, shape, dtype: integer ? 'I64' : 'F32', values: () => array.toFloat32() };
  });
}

type Description = NonNullable<TorchFileOptions['metadata']>;

/** What a user of the weights has to know, by timm's words. */
export function describeModel({ recipe, classes, position }: Checkpoint, model: Model): Description {
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
  };
}

async function writeExport(path: string, format: ExportFormat, arrays: readonly ArrayToWrite[], facts: Description) {
  mkdirParent(path);
  if (format === 'pth')
    return writeChunksAtomic(
      path,
      writeTorchFile(arrays, { metadata: facts }),
      torchFileBytes(arrays, { metadata: facts }),
    );
  const texts = Object.entries(facts).map(([key, fact]) => [
    key,
    typeof fact === 'string' ? fact : JSON.stringify(fact),
  ]);
  // `format: pt` is what other readers look for: the layouts are torch's.
  const metadata = { format: 'pt', ...(Object.fromEntries(texts) as Record<string, string>) };
  return writeChunksAtomic(path, writeSafetensors(arrays, metadata), safetensorsBytes(arrays, metadata));
}

function mkdirParent(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw diskError(error, path, 0);
  }
}
