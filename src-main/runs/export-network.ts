import type { ArrayToWrite } from '../formats/named-array.ts';
import type { PickleData } from '../formats/pickle-writer.ts';
import { badFormat } from '../formats/source.ts';
import type { Model } from '../model/model.ts';
import { createModel } from '../model/zoo.ts';
import type { Preprocessing } from '../protocol/export.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { reason } from '../protocol/reasons.ts';
import type { Checkpoint } from './checkpoint-file.ts';

/** Facts about a network, by timm's words. */
export type Description = Record<string, PickleData>;

/** A network as every format of exports is written from it. */
export interface NetworkToWrite {
  model: Model;
  /** By timm's names, in the order of the model. */
  arrays: ArrayToWrite[];
  /** Its moving average, for the formats whose row says `holdsAverage`. */
  beside?: ArrayToWrite[];
  /** In the order of the outputs; null where nobody has named them. */
  classes: readonly string[] | null;
  prepared: Preprocessing;
  /** Which of two heads decide. */
  heads: Recipe['evalHeads'];
  /** Where in its training it stood; null for weights from elsewhere. */
  stood: { epoch: number; step: number; average: boolean } | null;
  /** The model card, Markdown, for the formats that have one. */
  card?: string;
}

/** The part of a checkpoint to export, and what is said of it. */
export interface CheckpointWish {
  /** The moving average of the model in its place. */
  average?: boolean;
  /** Class names in place of the checkpoint's, as many. */
  classes?: readonly string[] | null;
  /** The heads that decide in place of the recipe's. */
  heads?: Recipe['evalHeads'];
}

/**
 * Makes a checkpoint ready to be written; its arrays are read when their turn comes, so it must stay open until then.
 * @throws StillhouseError `weights.format`
 */
export function networkOfCheckpoint(
  checkpoint: Checkpoint,
  { average = false, classes, heads }: CheckpointWish,
): NetworkToWrite {
  const { recipe, position, path } = checkpoint;
  const model = createModel(recipe.model, { classes: checkpoint.classes.length, inputSize: recipe.inputSize });
  const arrays = average ? averageOf(checkpoint, model) : arraysOf(checkpoint, model);
  if (!arrays) throw badFormat(path, reason('weights.no-average'));
  const { mean, std, inputSize } = model;
  return {
    ...{ model, arrays, beside: average ? undefined : averageOf(checkpoint, model) },
    classes: classes ?? checkpoint.classes,
    heads: heads ?? recipe.evalHeads,
    prepared: { inputSize, cropRatio: recipe.evalCropRatio, interpolation: 'bicubic', mean, std },
    stood: { epoch: position.epoch, step: position.step, average },
  };
}

/** Describes a network for users of its weights, by timm's words. */
export function describeNetwork({ model, classes, prepared, stood }: NetworkToWrite): Description {
  const { inputSize, inputWidth = inputSize, mean, std, cropRatio, interpolation } = prepared;
  return {
    ...{ producer: 'stillhouse', architecture: model.name, num_classes: model.classes },
    ...(classes && { classes: [...classes] }),
    ...{ input_size: [3, inputSize, inputWidth], mean: [...mean], std: [...std], crop_pct: cropRatio, interpolation },
    ...(stood && { epoch: stood.epoch, step: stood.step, ...(stood.average && { average: true }) }),
  };
}

function arraysOf({ path, tensors }: Checkpoint, { specs }: Model, prefix = 'model.'): ArrayToWrite[] {
  return specs.map(({ name, shape, integer }) => {
    const array = tensors.get(prefix + name);
    if (array?.shape.join() !== shape.join())
      throw badFormat(path, reason('weights.lacks', { name, shape: shape.join(', ') }));
    return { name, shape, dtype: integer ? 'I64' : 'F32', values: () => array.toFloat32() };
  });
}

/** The moving average of the model, where the checkpoint has one. */
function averageOf(checkpoint: Checkpoint, model: Model): ArrayToWrite[] | undefined {
  const kept = checkpoint.tensors.has(`ema.${model.specs[0].name}`);
  return kept ? arraysOf(checkpoint, model, 'ema.') : undefined;
}
