import { basename } from 'node:path';
import { publishedFile } from '../install/weight-source.ts';
import type { PlainError } from '../protocol/errors.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { openCheckpoint } from '../runs/checkpoint-file.ts';
import { networkOfCheckpoint, type NetworkToWrite } from '../runs/export-network.ts';
import type { WeightsFormat } from '../runs/export-writers.ts';
import { writeNetwork, type Exported, type WriteOptions } from '../runs/export.ts';
import { modelCard } from '../runs/model-card.ts';
import { runOfCheckpoint } from '../runs/run-folder.ts';
import { networkOf } from './export-reader.ts';
import { readClassNames } from './class-names.ts';
import { requireClasses, withWeights, type Weights, type WeightsWish } from './weights.ts';

/** The part of a file to export, and how. */
export interface NetworkWish extends WeightsWish {
  /** A file with class names in the order of the outputs, in place of the weights' own. */
  classNames?: string;
  /** Settings that the file itself does not name, or other ones for the export: its input size. */
  settings: Partial<Recipe>;
  /** Width of the images where they are not square. */
  inputWidth?: number;
  /** The licence that the model card names. */
  licence?: string;
}

/** Says which format to write where. */
export interface ExportWish extends NetworkWish, WriteOptions {
  format: WeightsFormat;
  output: string;
}

/**
 * Makes the network of any weight file ready to be written, while `body` runs.
 * @throws StillhouseError `weights.*`, `recipe.invalid`; what `body` throws
 */
export function withNetwork<Result>(
  path: string,
  wish: NetworkWish,
  body: (network: NetworkToWrite, notes: PlainError[]) => Promise<Result>,
): Promise<Result> {
  const given = wish.classNames ? readClassNames(wish.classNames) : null;
  const take = async (weights: Weights): Promise<Result> => {
    const named = given ?? weights.classes;
    const classes = named ? requireClasses(weights, named) : null;
    const withCard = (network: NetworkToWrite): NetworkToWrite => ({
      ...network,
      card: cardOf(network, weights, wish),
    });
    if (weights.metadata.recipe === undefined || isResized(weights, wish)) {
      const { network, notes } = fitted(weights, classes, wish);
      return body(withCard(network), notes);
    }
    const checkpoint = openCheckpoint(weights.path);
    try {
      const average = wish.average || wish.entry === 'ema';
      return await body(
        withCard(networkOfCheckpoint(checkpoint, { average, classes, heads: wish.settings.evalHeads })),
        [],
      );
    } finally {
      checkpoint.close();
    }
  };
  return withWeights(path, take, wish);
}

/** Writes the network of any weight file for others. @throws as {@link withNetwork} and {@link writeNetwork} */
export function exportWeightFile(path: string, wish: ExportWish): Promise<Exported & { notes: PlainError[] }> {
  const { format, output } = wish;
  return withNetwork(path, wish, async (network, notes) => ({
    ...(await writeNetwork(network, format, output, wish)),
    notes,
  }));
}

function isResized({ settings }: Weights, { settings: asked, inputWidth }: NetworkWish): boolean {
  return inputWidth !== undefined || (asked.inputSize !== undefined && asked.inputSize !== settings.inputSize);
}

/** The network under timm's names, its positions resized to the size that is asked for. */
function fitted(
  weights: Weights,
  classes: string[] | null,
  { settings, inputWidth, average, entry }: NetworkWish,
): { network: NetworkToWrite; notes: PlainError[] } {
  const { model, params, prepared, notes, recipe } = networkOf(weights, settings, { inputWidth });
  const arrays = model.specs.map(({ name, shape, integer }) => {
    return { name, shape, dtype: integer ? ('I64' as const) : ('F32' as const), values: () => params[name] };
  });
  const position = positionOf(weights);
  const stood = position && { ...position, average: average || entry === 'ema' };
  return { network: { model, arrays, classes, prepared, stood, heads: recipe.evalHeads }, notes };
}

function positionOf({ metadata }: Weights): { epoch: number; step: number } | null {
  if (metadata.recipe === undefined) return null;
  const { epoch, step } = JSON.parse(metadata.position) as { epoch: number; step: number };
  return { epoch, step };
}

function cardOf(network: NetworkToWrite, { path }: Weights, { licence }: NetworkWish): string {
  const known = licence ?? publishedFile(basename(path))?.licence ?? '';
  return modelCard(network, { run: runOfCheckpoint(path), file: path, licence: known });
}
