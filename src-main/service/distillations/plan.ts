import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import imageNet from '../../../resources/classes/imagenet.json' with { type: 'json' };
import type { Dataset } from '../../data/layout/folder.ts';
import { hasImageNetWeights } from '../../install/model-weights.ts';
import { isModel, modelCard } from '../../model/zoo.ts';
import type { RunDetail, RunSummary } from '../../protocol/data-types.ts';
import type { DistilPlan, DistilRequest, PlannedTeacher } from '../../protocol/distillation.ts';
import { PRESETS } from '../../protocol/presets.ts';
import { fieldOf, type Recipe } from '../../protocol/recipe.ts';
import { bestCheckpoint } from '../../runs/checkpoint.ts';
import { checkpointsFolder } from '../../runs/run-folder.ts';

/** Which teacher a folder gets and how both are trained: decided from what is there, before anything is begun. */

/** Facts that are known when a plan is made. */
export interface PlanFacts {
  dataset: Dataset;
  /** Folder of the sample data, whose small images have settings of their own. */
  sampleFolder: string;
  /** Runs, the newest first. */
  runs: readonly RunSummary[];
  detailOf(run: string): Pick<RunDetail, 'classes'>;
}

/** The teacher's network where none is asked for: the smallest whose ImageNet weights everybody can fetch. */
const TEACHER = 'tf_efficientnet_lite0';
/** The teacher of DeiT's authors, who give it for ImageNet itself. */
const IMAGENET_TEACHER = 'regnety_160';

/** Plans a distillation. The request's paths are absolute. */
export function makePlan(asked: DistilRequest, facts: PlanFacts): DistilPlan {
  const { dataset } = facts;
  const teacher = teacherFor(asked, facts);
  return {
    ...{ id: randomUUID().slice(0, 8), created: Date.now(), asked },
    ...{ dataPath: asked.dataPath, classes: dataset.classes.length, teacher },
    student: { recipe: studentRecipe(asked, facts, teacher.model), run: null },
  };
}

/** Completes the settings of the student once its teacher is there. */
export function taught({ student, teacher }: DistilPlan): Partial<Recipe> {
  return { ...student.recipe, teacherModel: teacher.model, teacherPath: teacher.path ?? '' };
}

function teacherFor(asked: DistilRequest, facts: PlanFacts): PlannedTeacher {
  const none = { path: null, run: null, acc1: null, dataPath: null, recipe: null, start: 'own' } as const;
  const { teacherPath, teacherModel, newTeacher = false } = asked;
  if (teacherPath)
    return { ...none, origin: 'chosen', model: teacherModel ?? String(fieldOf('teacherModel')?.default), path: teacherPath }; // prettier-ignore
  const found = newTeacher ? null : foundTeacher(asked, facts);
  if (found) return found;
  if (!newTeacher && !asked.teacher && isImageNet(facts.dataset))
    return { ...none, origin: 'published', model: teacherModel ?? IMAGENET_TEACHER, start: 'published' };
  const recipe = teacherRecipe(asked, facts);
  const model = String(recipe.model);
  const start = recipe.finetune ? 'own' : hasImageNetWeights(model) ? 'published' : 'random';
  return { ...none, origin: 'made', model, recipe, start };
}

/** A finished run of a teacher's network that knows every class of the data; one on the same images before others. */
function foundTeacher({ dataPath, teacherModel }: DistilRequest, facts: PlanFacts): PlannedTeacher | null {
  const { runs, dataset, detailOf } = facts;
  const fits = (run: RunSummary): boolean =>
    run.state === 'finished' &&
    run.teacher === '' &&
    (teacherModel ? run.model === teacherModel : isModel(run.model) && modelCard(run.model).role === 'teacher') &&
    knows(detailOf(run.id).classes, dataset.classes);
  const rank = (run: RunSummary): number => (run.dataPath === dataPath ? 1000 : 0) + (run.bestAcc1 ?? 0);
  const [best] = runs.filter(fits).sort((one, other) => rank(other) - rank(one));
  const path = best ? trainedWeights(best.path) : null;
  if (!path) return null;
  const { model, id: run, bestAcc1: acc1 } = best;
  return { origin: 'run', model, path, run, acc1, dataPath: best.dataPath, recipe: null, start: 'own' };
}

function knows(known: readonly string[], classes: readonly string[]): boolean {
  const names = new Set(known);
  return classes.every((name) => names.has(name));
}

/** Finds the best checkpoint of a run; null where there is none. */
export function trainedWeights(run: string): string | null {
  const best = bestCheckpoint(run);
  return best && join(checkpointsFolder(run), best.file);
}

/** The very folders of ImageNet-1k, whose order its published weights have. */
function isImageNet({ classes }: Dataset): boolean {
  return (
    classes.length === imageNet.classes.length &&
    imageNet.classes.every((line, label) => line.startsWith(`${classes[label]}|`))
  );
}

function teacherRecipe(asked: DistilRequest, facts: PlanFacts): Partial<Recipe> {
  const model = asked.teacherModel ?? TEACHER;
  return { ...presetFor('teacher', asked, facts), model, ...asked.teacher, dataPath: asked.dataPath, distillationType: 'none' }; // prettier-ignore
}

function studentRecipe(asked: DistilRequest, facts: PlanFacts, teacherModel: string): Partial<Recipe> {
  const preset = presetFor('student', asked, facts);
  return { ...preset, distillationType: 'hard', ...asked.student, teacherModel, dataPath: asked.dataPath };
}

/** A preset's settings, with a batch that a small folder can fill. */
function presetFor(task: 'teacher' | 'student', { dataPath }: DistilRequest, facts: PlanFacts): Partial<Recipe> {
  const isSample = resolve(dataPath) === resolve(facts.sampleFolder);
  const own = task === 'teacher' ? 'full-teacher' : 'deit-defaults';
  const values = PRESETS.find(({ id }) => id === (isSample ? `sample-${task}` : own))!.values;
  let batchSize = values.batchSize ?? Number(fieldOf('batchSize')?.default);
  while (batchSize > facts.dataset.train.length && batchSize > 2) batchSize /= 2;
  return { ...values, batchSize };
}
