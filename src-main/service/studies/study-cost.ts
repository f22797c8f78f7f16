import type { TimeForecast } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { answersName } from '../../protocol/answers-by.ts';
import { parseRecipe, totalEpochs, type Recipe } from '../../protocol/recipe.ts';
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
 * variant is asked about. Where answers are kept, a teacher is asked once for what several trainings see.
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
    ...{ seconds: 0, shared: 0, untimed: 0, disk: 0, free: null },
  };
  const answers = new SharedAnswers(cells.filter(isFinished));
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
    const forecast = await time(recipe).catch(() => null);
    cost.seconds += (forecast?.seconds ?? 0) * alike.length;
    for (const cell of alike) cost.shared += (forecast?.teacherSeconds ?? 0) * answers.shareOf(cell);
    if (!forecast) cost.untimed += alike.length;
    const { disk } = checked.check;
    if (disk) {
      cost.disk += disk.total * alike.length;
      cost.free = Math.min(cost.free ?? Infinity, disk.free);
    }
  }
  return { ...cost, seconds: cost.seconds - cost.shared };
}

/** Which epochs of a teacher's answers are kept already when a training's turn comes. */
class SharedAnswers {
  private readonly epochs = new Map<string, number>();

  constructor(finished: readonly Cell[]) {
    for (const cell of finished) this.shareOf(cell);
  }

  /** Returns the share of its answers that a training finds, and counts those that it adds. */
  shareOf({ recipe }: Cell): number {
    const whole = parseRecipe({ ...recipe });
    const name = answersName(whole);
    if (name === null) return 0;
    const [own, kept] = [totalEpochs(whole), this.epochs.get(name) ?? 0];
    this.epochs.set(name, Math.max(own, kept));
    return Math.min(own, kept) / own;
  }
}
