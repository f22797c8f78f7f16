import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile } from '../../base/files.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import type { AnswerForm } from '../../answers/answer-block.ts';
import type { Model } from '../../model/model.ts';
import { erases, type Recipe, type RecipeKey } from '../../protocol/recipe.ts';
import type { TeacherCard } from '../../protocol/teacher-card.ts';
import { openWeights } from '../../weights/open-weights.ts';
import type { Teacher } from './teacher.ts';

/**
 * Everything that a teacher's answers to the batches of a training depend on, as one key. The answers to two trainings
 * with the same key are the same, wherever their files lie.
 */

/** Raise it with every change of how images are drawn, made or shown to a teacher. */
const FORMAT = 1;

/**
 * How each setting of a recipe decides what a teacher answers. `value`: it is in the key. Through `data`: the list of
 * the images. Through `teacher`: its files and its card. Through `student`: the size of its images, and the colours that
 * erased ones get. Through `form`: what is kept of an answer. `none`: two recipes that differ in it have the same
 * answers, as a test shows.
 */
export const ANSWERS_BY: Readonly<Record<RecipeKey, 'value' | 'data' | 'teacher' | 'student' | 'form' | 'none'>> = {
  ...{ dataPath: 'data', dataReading: 'data', splitSeed: 'data' },
  ...{ teacherModel: 'teacher', teacherPath: 'teacher' },
  ...{ model: 'student', inputSize: 'value' },
  ...{ distillationType: 'form', answersType: 'form', precision: 'teacher' },
  ...{ seed: 'value', batchSize: 'value', repeatedAug: 'value' },
  ...{ scaleMin: 'value', hflip: 'value', trainInterpolation: 'value', aa: 'value', colorJitter: 'value' },
  ...{ threeAugment: 'value', src: 'value', reprob: 'value', remode: 'value', recount: 'value' },
  ...{ mixup: 'value', cutmix: 'value', cutmixMinmax: 'value', mixupProb: 'value', mixupSwitchProb: 'value' },
  mixupMode: 'value',
  ...{ teachOnce: 'none', answersBudget: 'none', distillationAlpha: 'none', distillationTau: 'none' },
  ...{ evalCropRatio: 'none', finetune: 'none', finetuneEntry: 'none', dropPath: 'none', drop: 'none' },
  ...{ deit3Style: 'none', evalHeads: 'none', attnOnly: 'none', trainMode: 'none', epochs: 'none', lr: 'none' },
  ...{ unscaleLr: 'none', sched: 'none', schedOnUpdates: 'none', warmupEpochs: 'none', warmupLr: 'none' },
  ...{ minLr: 'none', cooldownEpochs: 'none', decayEpochs: 'none', decayRate: 'none', patienceEpochs: 'none' },
  ...{ lrNoise: 'none', lrNoisePct: 'none', lrNoiseStd: 'none', opt: 'none', weightDecay: 'none' },
  ...{ optEps: 'none', optBeta1: 'none', optBeta2: 'none', momentum: 'none', clipGrad: 'none' },
  ...{ clipMode: 'none', layerDecay: 'none', bceLoss: 'none', cosub: 'none', modelEma: 'none' },
  ...{ twoClassTokens: 'none' },
  ...{ modelEmaDecay: 'none', modelEmaWarmup: 'none', smoothing: 'none', microBatch: 'none' },
  ...{ recompute: 'none', device: 'none', numWorkers: 'none', saveEvery: 'none', saveMinutes: 'none' },
  ...{ stallMinutes: 'none', keepCheckpoints: 'none', tensorboard: 'none', profile: 'none', outputDir: 'none' },
};

/** The facts of a training that its key is made of. */
export interface KeyParts {
  recipe: Recipe;
  dataset: Dataset;
  student: Model;
  teacher: Teacher;
  form: AnswerForm;
  /** Of the products of a teacher's network, as `auto` was settled. */
  precision: string;
  /** Steps by which the training is ahead of its place in the data: one that went on with another batch size. */
  ahead: number;
  /** Of {@link digestOfTeacher}. */
  digest: string;
}

/** Lists what the answers of a training depend on, as plain data. */
export function answerKey({ recipe, dataset, student, teacher, form, precision, ahead, digest }: KeyParts): unknown {
  const { card, columns, network } = teacher;
  const { inputSize, layout, mean, std, interpolation, output, inputName, outputName, signature, entry } = card;
  const values = (Object.keys(ANSWERS_BY) as RecipeKey[]).filter((key) => ANSWERS_BY[key] === 'value').sort();
  return {
    format: FORMAT,
    form,
    images: listingDigest(dataset),
    settings: Object.fromEntries(values.map((key) => [key, recipe[key]])),
    erased: erases(recipe) ? { mean: student.mean, std: student.std, ahead } : null,
    teacher: {
      ...{ digest, kind: card.kind, network: network ? network.name : null, precision: network ? precision : null },
      ...{ inputSize, layout, mean, std, interpolation, output, inputName, outputName, signature, entry, columns },
    },
  };
}

/** Names the store of a key. */
export function storeId(key: unknown): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
}

/** Digests which images are trained on, in which order and with which classes; not where they lie. */
function listingDigest({ classes, train }: Dataset): string {
  const hash = createHash('sha256').update(JSON.stringify(classes));
  for (const { file, label } of train) hash.update(`\n${label} ${file}`);
  return hash.digest('hex');
}

/**
 * Digests the files of a teacher: of an ONNX file itself, of a SavedModel all of the folder, of weights every file that
 * holds arrays.
 * @throws StillhouseError what keeps them from being read.
 */
export async function digestOfTeacher({ kind, path, entry }: TeacherCard): Promise<string> {
  const hash = createHash('sha256');
  for (const file of filesOf(kind, path, entry)) hash.update(await hashFile(file, () => undefined));
  return hash.digest('hex');
}

function filesOf(kind: TeacherCard['kind'], path: string, entry: string): string[] {
  if (kind === 'onnx') return [path];
  if (kind === 'savedmodel') return readdirSync(path, { recursive: true, withFileTypes: true }).filter((item) => item.isFile()).map(({ parentPath, name }) => join(parentPath, name)).sort(); // prettier-ignore
  const { files, close } = openWeights(path, { ...(entry && { entry }) });
  close();
  return files.map((file) => file.path);
}
