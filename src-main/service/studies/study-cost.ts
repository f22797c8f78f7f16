import type { TimeForecast } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { StudyCost } from '../../protocol/study.ts';
import { refusal, type CheckedRecipe } from '../recipe/recipe-check.ts';
import type { Cell } from './cells.ts';

/** Parts of the service that a cost uses. */
export interface CostParts {
  check(recipe: Partial<Recipe>): Promise<CheckedRecipe>;
  time(recipe: Partial<Recipe>): Promise<TimeForecast | null>;
}

/**
 * Estimates time and disk of the trainings that are still to do. Seeds differ in nothing that costs, so one of each
 * variant is asked about.
 * @throws StillhouseError `study.variant` with whatever keeps one of them from being begun.
 */
export async function studyCost(
  cells: readonly Cell[],
  isFinished: (cell: Cell) => boolean,
  { check, time }: CostParts,
): Promise<StudyCost> {
  const open = cells.filter((cell) => !isFinished(cell));
  const cost: StudyCost = {
    ...{ trainings: cells.length, finished: cells.length - open.length },
    ...{ seconds: 0, untimed: 0, disk: 0, free: null },
  };
  const kinds = new Map<string, Cell[]>();
  for (const cell of open) {
    const kind = JSON.stringify([cell.variant, cell.stage]);
    kinds.set(kind, [...(kinds.get(kind) ?? []), cell]);
  }
  for (const alike of kinds.values()) {
    const [{ recipe, variant, stage }] = alike;
    const checked = await check(recipe);
    const refused = refusal(checked);
    if (refused) {
      const name = stage ? `${variant}, ${stage}` : variant;
      throw new StillhouseError('study.variant', { variant: name, words: refused.message }, { cause: refused });
    }
    const seconds = (await time(recipe).catch(() => null))?.seconds ?? null;
    cost.seconds += (seconds ?? 0) * alike.length;
    if (seconds === null) cost.untimed += alike.length;
    const { disk } = checked.check;
    if (disk) {
      cost.disk += disk.total * alike.length;
      cost.free = Math.min(cost.free ?? Infinity, disk.free);
    }
  }
  return cost;
}
