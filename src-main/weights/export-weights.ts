import { createModel } from '../model/zoo.ts';
import { fitWeights } from '../model/weights.ts';
import type { PlainError } from '../protocol/errors.ts';
import type { ExportFormat } from '../protocol/export-formats.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { exportFile, writeModel, type Exported } from '../runs/export.ts';
import { readClassNames } from './class-names.ts';
import { chooseNetwork } from './network.ts';
import { headClasses, requireClasses, withWeights, type Weights, type WeightsWish } from './weights.ts';

/** The part of a file to export, and how. */
export interface ExportWish extends WeightsWish {
  format: ExportFormat;
  output: string;
  /** Bytes of arrays beyond which they are divided over several files. */
  shardBytes?: number;
  /** A file with class names in the order of the outputs, in place of the weights' own. */
  classNames?: string;
  /** Settings that the file itself does not name. */
  settings: Partial<Recipe>;
}

/**
 * Writes the network of any weight file for others, under timm's names: of a checkpoint of ours as `exportFile` does.
 * @throws StillhouseError `weights.*`, `export.ending`, `recipe.invalid`, `disk.*`
 */
export function exportWeightFile(path: string, wish: ExportWish): Promise<Exported & { notes: PlainError[] }> {
  const given = wish.classNames ? readClassNames(wish.classNames) : null;
  const take = async (weights: Weights): Promise<Exported & { notes: PlainError[] }> => {
    const named = given ?? weights.classes;
    const classes = named ? requireClasses(weights, named) : null;
    const { format, output, shardBytes } = wish;
    if (weights.metadata.recipe === undefined) return exportForeign(weights, classes, wish);
    const average = wish.average || wish.entry === 'ema';
    const own = { shardBytes, average, ...(classes && { classes }) };
    return { ...(await exportFile(weights.path, format, output, own)), notes: [] };
  };
  return withWeights(path, take, wish);
}

async function exportForeign(
  weights: Weights,
  classes: string[] | null,
  { settings, format, output, shardBytes }: ExportWish,
): Promise<Exported & { notes: PlainError[] }> {
  const { recipe, prepared, notes } = chooseNetwork(weights, settings);
  const { inputSize, evalCropRatio } = recipe;
  const count = headClasses(weights);
  const model = createModel(recipe.model, { classes: count, inputSize });
  const { params } = fitWeights(model, weights.tensors, { path: weights.path, newHead: false });
  const arrays = model.specs.map(({ name, shape, integer }) => {
    return { name, shape, dtype: integer ? ('I64' as const) : ('F32' as const), values: () => params[name] };
  });
  const facts = {
    ...{ producer: 'stillhouse', architecture: model.name, num_classes: count, ...(classes && { classes }) },
    ...{ input_size: [3, inputSize, inputSize], crop_pct: evalCropRatio, ...prepared },
  };
  return { ...(await writeModel({ arrays, facts }, format, output, shardBytes)), notes };
}
