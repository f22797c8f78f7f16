import { whyNotMultiplied } from '../../base/processor.ts';
import { shapeSize } from '../../base/shape-size.ts';
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { parsePolicy } from '../../data/augment/auto-augment.ts';
import { summarise, type Dataset } from '../../data/layout/folder.ts';
import { FEW, REPEATS } from '../../data/batches/loader.ts';
import { parseMinmax } from '../../data/augment/mix.ts';
import { stepsPerEpoch } from '../../data/batches/sampler.ts';
import { countParameters, type Model } from '../../model/model.ts';
import { findPublished } from '../../install/weight-source.ts';
import { hasImageNetWeights } from '../../install/model-weights.ts';
import { hubClassOf } from '../../model/hub-names.ts';
import { planFit } from '../../model/weights.ts';
import { createModel, isModel, listModels, modelCard, suggestedModels } from '../../model/zoo.ts';
import type { ModelCard, RecipeCheck } from '../../protocol/data-types.ts';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import { formatsIn } from '../../protocol/export-formats.ts';
import { sayReason, reason, type ReasonValue } from '../../protocol/reasons.ts';
import {
  checkField,
  defaultRecipe,
  fieldOf,
  mixes,
  scaledLr,
  type Recipe,
  type RecipeKey,
  type RecipeProblem,
} from '../../protocol/recipe.ts';
import { isAddress } from '../../protocol/weight-data.ts';
import { parseLrNoise } from '../../train/schedule.ts';
import { updateVariables } from '../../train/update.ts';
import { trainable } from '../../train/variables.ts';
import { keptTeacher } from '../../runs/run-teacher.ts';
import { teacherKind } from '../../runs/teacher-kind.ts';
import { diskCost, tooLittleDisk } from '../../jobs/disk-cost.ts';
import { recipeWarnings } from './recipe-warnings.ts';
import { readTeacherCard } from '../../weights/teacher-card.ts';
import { contradiction } from '../../weights/network.ts';
import { classColumns, orderNotes } from '../../weights/teacher-classes.ts';
import { withWeights, type Weights } from '../../weights/weights.ts';

/** Facts that a check needs from the rest of the service. */
export interface RecipeFacts {
  /** Counts the free bytes on the disk of a folder; asks the system when left out. */
  freeBytes?: (folder: string) => Promise<number>;
  /** @throws StillhouseError what is wrong with a data folder. */
  dataset(recipe: Recipe): Promise<Dataset>;
  /** Tells whether a GPU may compute for a recipe's `device`; the processor does when left out. */
  mayUseGpu?(device: string): Promise<boolean>;
  /** Where runs go that name no folder. */
  runsFolder: string;
  /** The run that is to go on: it has room and has read its teacher already. */
  run?: string;
  /** It begins with a checkpoint: weights to fine-tune from are not read any more. */
  fromCheckpoint?: boolean;
}

/** A recipe with every default and what was found in it. */
export interface CheckedRecipe {
  recipe: Recipe;
  /** Class names of its data; [] when they are not known. */
  classes: string[];
  check: RecipeCheck;
}

let cards: ReadonlyMap<string, ModelCard> | undefined;

/** Lists every model that is offered, by name; the list never changes. */
export function modelCards(): ReadonlyMap<string, ModelCard> {
  return (cards ??= new Map(
    listModels().map((card) => [card.name, { ...card, fetchable: hasImageNetWeights(card.name) }]),
  ));
}

/**
 * Finds everything that is wrong with a recipe at once, field by field and between fields, and what it comes to.
 * Nothing is thrown: what is wrong is the answer.
 */
export async function checkRecipe(given: Record<string, unknown>, facts: RecipeFacts): Promise<CheckedRecipe> {
  const findings = new Findings();
  const recipe = findings.fields(given);
  const dataset = await findings.try(() => facts.dataset(recipe));
  const classes = dataset?.classes ?? [];
  findings.model(recipe);
  const model = findings.build(recipe, classes.length);
  findings.paths(recipe);
  if (!facts.fromCheckpoint) await findings.weights(recipe, model);
  findings.augmentation(recipe);
  findings.distillation(recipe);
  findings.training(recipe, model);
  findings.exports(recipe, model);
  await findings.precision(recipe, facts);
  if (dataset) {
    findings.images(recipe, dataset);
    await findings.teacher(recipe, classes, facts.run);
  }
  const steps = dataset ? epochSteps(recipe, dataset.train.length) : 0;
  const { problems, errors } = findings;
  const size = sizeOf(model, recipe);
  const folder = facts.run ?? (recipe.outputDir ? resolve(recipe.outputDir) : facts.runsFolder);
  const disk = await diskCost(recipe, size.checkpointBytes, folder, facts.freeBytes);
  const full = disk && tooLittleDisk(disk);
  if (full) errors.push(toPlainError(full));
  return {
    recipe,
    classes,
    check: {
      problems,
      errors,
      warnings:
        problems.length > 0
          ? []
          : [
              ...recipeWarnings(recipe, steps, isModel(recipe.model) && modelCard(recipe.model).distilled),
              ...findings.notes,
            ],
      scaledLr: scaledLr(recipe),
      stepsPerEpoch: steps,
      classes: classes.length,
      ...size,
      disk,
    },
  };
}

function epochSteps({ batchSize, repeatedAug }: Recipe, count: number): number {
  return stepsPerEpoch({ count, batchSize: Math.max(1, batchSize), repeats: repeatedAug ? REPEATS : 1 });
}

class Findings {
  readonly problems: RecipeProblem[] = [];
  readonly errors: PlainError[] = [];
  /** Notes on choices about weights that could be otherwise. */
  readonly notes: PlainError[] = [];

  /** A complete recipe; a value that is wrong is replaced by its default, so that the rest can still be checked. */
  fields(given: Record<string, unknown>): Recipe {
    const recipe: Record<string, unknown> = { ...defaultRecipe() };
    for (const [key, value] of Object.entries(given)) {
      const field = fieldOf(key);
      const problem = field && checkField(field, value);
      if (!field) this.error('recipe.unknown-key', { key });
      else if (problem) this.problems.push(problem);
      else recipe[key] = value;
    }
    return recipe as unknown as Recipe;
  }

  async try<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      this.errors.push(toPlainError(error));
      return undefined;
    }
  }

  model({ model, inputSize, distillationType, teacherModel, teacherPath }: Recipe): void {
    if (!isModel(model)) this.problem('model', suggestedModels(model).join(', '), model);
    const patch = Number(/_patch(\d+)/.exec(model)?.[1] ?? 1);
    if (inputSize % patch !== 0) this.problem('inputSize', reason('value.multiple', { patch, model }), inputSize);
    if (distillationType === 'none' || teacherKind(teacherPath) !== 'timm') return;
    if (!isModel(teacherModel)) this.problem('teacherModel', suggestedModels(teacherModel).join(', '), teacherModel);
  }

  distillation({ distillationType, teacherPath }: Recipe): void {
    if (distillationType === 'none') return;
    if (!teacherPath) this.error('teacher.missing', {});
    else this.present(teacherPath);
  }

  paths({ outputDir }: Recipe): void {
    if (outputDir && !isAbsolute(outputDir)) this.problem('outputDir', reason('value.root-path'), outputDir);
  }

  /** Weights of an address or a name have to be fetched before: a run keeps a path of this machine. */
  private present(path: string): void {
    const published = isAddress(path) || findPublished(path) !== undefined;
    if (!existsSync(path)) this.error(published ? 'weights.not-here' : 'file.missing', { path });
  }

  /** Reports weights of another network before anything starts; only names and shapes of the file are read. */
  async weights({ finetune, finetuneEntry: entry }: Recipe, model: Model | undefined): Promise<void> {
    if (!finetune) return;
    if (!existsSync(finetune)) return this.present(finetune);
    if (!model) return;
    const fits = (weights: Weights): void => {
      const { path, tensors, notes } = weights;
      planFit(model, tensors, { path, newHead: true });
      this.notes.push(...notes, ...contradiction(weights, model.name));
    };
    await this.try(() => withWeights(finetune, fits, { entry }));
  }

  augmentation(recipe: Recipe): void {
    this.grammar(() => parsePolicy(recipe.aa));
    this.grammar(() => parseMinmax(recipe.cutmixMinmax));
    const { batchSize } = recipe;
    if (mixes(recipe) && batchSize % 2 !== 0) this.error('recipe.odd-batch', { batch: batchSize });
  }

  training(recipe: Recipe, model: Model | undefined): void {
    const { bceLoss, smoothing, sched, schedOnUpdates, attnOnly, trainMode, distillationType } = recipe;
    const taught = distillationType !== 'none';
    this.grammar(() => parseLrNoise(recipe.lrNoise));
    if (bceLoss && smoothing > 0) this.problem('smoothing', reason('value.bce'), smoothing);
    if (sched === 'plateau' && schedOnUpdates) this.problem('schedOnUpdates', reason('value.plateau'), 'true');
    const attends = model?.specs.some(({ name }) => name.includes('.attn.')) ?? true;
    if (attnOnly && !attends) this.problem('attnOnly', reason('value.no-attention'), 'true');
    if (!trainMode && taught) this.problem('trainMode', reason('value.distilled'), 'false');
    if (recipe.cosub && taught) this.problem('cosub', reason('value.not-distilled'), 'true');
    const twice = recipe.twoClassTokens && whyNotTwice(recipe, model);
    if (twice) this.problem('twoClassTokens', reason(twice), 'true');
  }

  /** Reports a format in which the network cannot be written, before it is trained for hours. */
  exports({ export: formats, exportWeights, modelEma }: Recipe, model: Model | undefined): void {
    if (formats.trim() !== '' && exportWeights !== 'model' && !modelEma)
      this.problem('exportWeights', reason('value.export-average'), exportWeights);
    if (!model) return;
    const refused = { 'onnx-int8': model.attentionHeads === undefined, huggingface: hubClassOf(model) === null };
    const format = (formatsIn(formats) ?? []).find((one) => one in refused && refused[one as keyof typeof refused]);
    if (format) this.problem('export', reason('value.export-network', { format, model: model.name }), formats);
  }

  /** Reports a precision that the processor does not take. */
  async precision({ precision, device }: Recipe, { mayUseGpu }: RecipeFacts): Promise<void> {
    const expected = whyNotMultiplied(precision);
    if (expected && !(await mayUseGpu?.(device))) this.problem('precision', expected, precision);
  }

  /** Shows the problem of a text of the recipe beside its field. */
  private grammar(parse: () => unknown): void {
    try {
      parse();
    } catch (error) {
      if (!(error instanceof StillhouseError && error.code === 'recipe.invalid')) throw error;
      const { key, expected, got } = error.params;
      this.problem(key as RecipeKey, expected, sayReason(got));
    }
  }

  images(recipe: Recipe, dataset: Dataset): void {
    const { train, classes } = summarise(dataset);
    const { batchSize } = recipe;
    if (train < batchSize) this.error('data.too-few', { count: train, batch: batchSize });
    else if (epochSteps(recipe, train) === 0) this.problem('repeatedAug', FEW, 'true');
    if (dataset.val.length === 0) this.error('data.no-val', { path: dataset.path });
    if (classes.length < 2) this.error('data.one-class', { name: classes[0]?.name ?? '' });
  }

  /** @param run the run that goes on, which has kept how it read its teacher. */
  async teacher(recipe: Recipe, classes: readonly string[], run?: string): Promise<void> {
    const { distillationType, teacherPath, teacherModel } = recipe;
    if (distillationType === 'none' || !teacherPath || !existsSync(teacherPath)) return;
    if (this.problems.some(({ key }) => key === 'teacherModel')) return;
    await this.try(async () => {
      const card = await readTeacherCard(teacherPath, teacherModel, run ? keptTeacher(run, teacherPath) : {});
      classColumns(card, classes);
      this.notes.push(...card.notes, ...orderNotes(card, classes));
    });
  }

  /** The student, as far as it can be made; with 1000 classes while the data are not known. */
  build({ model, inputSize }: Recipe, classes: number): Model | undefined {
    try {
      return createModel(model, { classes: classes || 1000, inputSize });
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      if (this.problems.length === 0) this.errors.push(toPlainError(error));
      return undefined;
    }
  }

  private problem(key: RecipeKey, expected: ReasonValue, got: string | number): void {
    if (this.problems.every((problem) => problem.key !== key))
      this.problems.push({ key, expected, got: JSON.stringify(got) });
  }

  private error(code: PlainError['code'], params: PlainError['params']): void {
    this.errors.push(toPlainError(new StillhouseError(code, params)));
  }
}

/** Says why a recipe's two tokens cannot both learn the labels; null where they can. */
function whyNotTwice({ distillationType, trainMode, cosub }: Recipe, model: Model | undefined) {
  if (distillationType !== 'none') return 'value.not-distilled';
  if (model && !model.distilled) return 'value.one-token';
  return trainMode && !cosub ? null : 'value.one-answer';
}

/** Trained parameters of a model, and bytes of a checkpoint: all that a step writes, in float32. */
function sizeOf(model: Model | undefined, recipe: Recipe): Pick<RecipeCheck, 'parameters' | 'checkpointBytes'> {
  if (!model) return { parameters: 0, checkpointBytes: 0 };
  const sizes = Object.values(updateVariables(model, recipe)).map(({ shape }) => shapeSize(shape));
  const checkpointBytes = 4 * sizes.reduce((sum, size) => sum + size, 0);
  return { parameters: countParameters(trainable(model, recipe)), checkpointBytes };
}

/**
 * Returns the first problem that keeps a checked recipe from being trained, as an error to throw; undefined when there
 * is none.
 */
export function refusal({ check }: CheckedRecipe): StillhouseError | undefined {
  const [problem] = check.problems;
  if (problem) return new StillhouseError('recipe.invalid', { ...problem });
  const [error] = check.errors;
  return error && new StillhouseError(error.code, error.params);
}
