import { imageNetWeightsHere, pinnedBytes } from '../../install/model-weights.ts';
import { modelCard } from '../../model/zoo.ts';
import type { DiskCost, TimeForecast } from '../../protocol/data-types.ts';
import type { DistilCost, DistilPlan } from '../../protocol/distillation.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { refusal, type CheckedRecipe } from '../recipe/recipe-check.ts';
import { watchedGain } from './extent.ts';

/** Parts of the service that a cost uses. */
export interface CostParts {
  weightsFolder: string;
  check(recipe: Partial<Recipe>): Promise<CheckedRecipe>;
  time(recipe: Partial<Recipe>): Promise<TimeForecast | null>;
}

/** Lists the recipes of a plan in a form that can be checked and timed before there is a teacher. */
export function trainingsOf({ teacher, student }: DistilPlan): Partial<Recipe>[] {
  const alone = { ...student.recipe, distillationType: 'none', teacherPath: '' } as const;
  return teacher.recipe ? [alone, teacher.recipe] : [alone];
}

/**
 * Estimates download, disk and time of a plan.
 * @throws StillhouseError whatever keeps one of its trainings from being begun.
 */
export async function costOf(plan: DistilPlan, { weightsFolder, check, time }: CostParts): Promise<DistilCost> {
  const trainings = trainingsOf(plan);
  const disks: DiskCost[] = [];
  for (const training of trainings) {
    const checked = await check(training);
    const refused = refusal(checked);
    if (refused) throw refused;
    if (checked.check.disk) disks.push(checked.check.disk);
  }
  const [student = null, teacher = null] = await Promise.all(
    // What is wrong with the engine is said when it is asked to train.
    trainings.map((training) => time(training).catch(() => null)),
  );
  return {
    download: await downloadOf(plan, weightsFolder),
    disk: disks.reduce((sum, { total }) => sum + total, 0),
    free: Math.min(...disks.map(({ free }) => free)),
    teacherSeconds: trainings.length > 1 ? (teacher?.seconds ?? null) : 0,
    studentSeconds: student && student.seconds * watchedGain(plan),
  };
}

/** Of a network without a package the bytes are reckoned from its parameters. */
async function downloadOf({ teacher: { start, model, run, path } }: DistilPlan, folder: string): Promise<number> {
  if (start !== 'published' || run !== null || path !== null) return 0;
  if (await imageNetWeightsHere(model, folder)) return 0;
  return pinnedBytes(model) ?? 4 * modelCard(model).parameters;
}
