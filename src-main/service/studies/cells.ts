import { parseRecipe, type Recipe } from '../../protocol/recipe.ts';
import type { KeptRun, StudySpec } from '../../protocol/study.ts';

/** The trainings of a study, and which run each is. A run is known by its settings, never by a name or a place. */

/** One training. */
export interface Cell {
  variant: string;
  /** '' of the variant's own training. */
  stage: string;
  seed: number;
  /** Settings without the weights of the training that it follows. */
  recipe: Partial<Recipe>;
  /** The training that it follows. */
  parent: Cell | null;
  /** All settings in one text. */
  key: string;
}

/** Lists the trainings of a study: by seed, then variant, so that an early end leaves whole seeds; stages follow their own. */
export function cellsOf({ base, variants, then, seeds }: StudySpec): Cell[] {
  return seeds.flatMap((seed) =>
    variants.flatMap(({ name: variant, changes }) => {
      const recipe: Partial<Recipe> = { ...base, ...changes, seed };
      const cells: Cell[] = [{ variant, stage: '', seed, recipe, parent: null, key: keyOf(recipe) }];
      for (const stage of then) {
        const { finetune: _from, ...tuned } = { ...recipe, ...stage.changes };
        cells.push({ variant, stage: stage.name, seed, recipe: tuned, parent: cells.at(-1)!, key: keyOf(tuned) });
      }
      return cells;
    }),
  );
}

/** Settings in the order of the table, with every default. */
function keyOf(recipe: Partial<Recipe>): string {
  return JSON.stringify(parseRecipe({ ...recipe }));
}

/** Finds the run of a training by its settings and by what it started from. */
export class RunIndex {
  private readonly runs = new Map<string, string>();

  constructor(kept: readonly KeptRun[]) {
    for (const { parent, recipe, run } of kept) this.runs.set(`${parent ?? ''} ${keyOf(recipe)}`, run);
  }

  /** Returns its run; undefined where none was begun with its settings. */
  of({ parent, key }: Cell): string | undefined {
    const from = parent ? this.of(parent) : '';
    return from === undefined ? undefined : this.runs.get(`${from} ${key}`);
  }
}
