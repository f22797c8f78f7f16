import { recognise } from '../model/recognise.ts';
import { answerAlike, inputSizes, preparationOf, type Preparation } from '../model/zoo.ts';
import {
  StillhouseError,
  toPlainError,
  type ErrorCode,
  type ErrorParams,
  type PlainError,
} from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { parseRecipe, type Recipe } from '../protocol/recipe.ts';
import type { Weights } from './weights.ts';

/** The network that weights are taken for, with how images are prepared for it. */
export interface ChosenNetwork {
  recipe: Recipe;
  prepared: Pick<Preparation, 'mean' | 'std' | 'interpolation'>;
  /** Notes on choices that could have been otherwise. */
  notes: PlainError[];
}

/**
 * Chooses the network of a weight file: the one that is asked for, else the one that the file or its config names, else
 * the only one that its arrays fit.
 * @throws StillhouseError `weights.ambiguous` where they fit several that answer differently, `weights.unknown-network`,
 * `recipe.invalid`.
 */
export function chooseNetwork(weights: Weights, asked: Partial<Recipe>): ChosenNetwork {
  const notes = [...weights.notes];
  const note = (code: ErrorCode, params: ErrorParams) => notes.push(toPlainError(new StillhouseError(code, params)));
  const { model, seen, why } = modelOf(weights, asked.model, note);
  if (why && weights.settings.model === undefined) note('weights.taken', { path: weights.path, model, why });
  const preset = preparationOf(model);
  const own = weights.said?.model === model ? weights.preparation : {};
  // A training here evaluates with bicubic, whatever timm lists.
  const usual = weights.metadata.recipe === undefined ? preset.interpolation : 'bicubic';
  const { mean = preset.mean, std = preset.std, interpolation = usual } = own;
  const inputSize = own.inputSize ?? seen ?? preset.inputSize;
  const found: Partial<Recipe> = { inputSize, evalCropRatio: own.cropRatio ?? preset.cropRatio };
  // How another folder was read says nothing of this one.
  const isOther = asked.dataPath !== undefined && asked.dataPath !== weights.settings.dataPath;
  const recipe = parseRecipe({ ...found, ...weights.settings, ...(isOther && { dataReading: '' }), ...asked, model });
  const assumed = [own.cropRatio, weights.settings.evalCropRatio, asked.evalCropRatio].every(
    (one) => one === undefined,
  );
  if (assumed && preset.timmCropRatio !== null)
    note('weights.crop-deit', { model, ratio: preset.cropRatio, timm: preset.timmCropRatio });
  return { recipe, prepared: { mean, std, interpolation }, notes };
}

type Note = (code: ErrorCode, params: ErrorParams) => void;

interface Taken {
  model: string;
  /** Side of the images that its positions are for. */
  seen?: number;
  /** Why it is taken; left out where a note says so already. */
  why?: Reason;
}

function modelOf(weights: Weights, asked: string | undefined, note: Note): Taken {
  const { path, said, tensors } = weights;
  const found = recognise(tensors);
  const seen = found?.inputSize ?? undefined;
  if (asked) {
    for (const other of contradiction(weights, asked)) note(other.code, other.params);
    return { model: asked, seen, why: reason('weights.as-asked') };
  }
  const models = found ? likely(found.models, found.inputSize) : [];
  if (said?.hint && said.model && models.includes(said.model)) {
    const others = models.filter((model) => model !== said.model).join(', ');
    if (others) note('weights.network', { path, model: said.model, source: said.source, others });
    return { model: said.model, seen, why: others ? undefined : reason('weights.as-fits') };
  }
  if (said && !said.hint) {
    const { source, named } = said;
    if (!said.model) throw new StillhouseError('weights.unknown-network', { source, path, named });
    return { model: said.model, seen, why: reason('weights.as-said', { source }) };
  }
  if (models.length > 1)
    throw new StillhouseError('weights.ambiguous', { path, models: models.join(', '), file: 'config.json' });
  const model = models[0] ?? found?.nearest?.model;
  if (model === undefined) throw new StillhouseError('weights.unrecognised', { path });
  return { model, seen, why: reason(models.length > 0 ? 'weights.as-fits' : 'weights.as-nearest') };
}

/** Narrows networks that take the same arrays to those whose images fit the positions, where there are such. */
export function likely(models: readonly string[], inputSize: number | null): string[] {
  const sizes = inputSizes();
  const own = models.filter((model) => inputSize === null || sizes.get(model) === inputSize);
  return own.length > 0 ? own : [...models];
}

/** Makes notes where a file names a network that answers otherwise than the one it is taken for. */
export function contradiction({ path, said }: Pick<Weights, 'path' | 'said'>, model: string): PlainError[] {
  if (!said || said.model === model) return [];
  if (said.model && inputSizes().has(model) && answerAlike(said.model, model)) return [];
  const { source, named } = said;
  return [toPlainError(new StillhouseError('weights.other-network', { path, source, named, model }))];
}
