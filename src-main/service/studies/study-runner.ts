import type { RunSummary } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { ENDED } from '../../protocol/events.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { Study } from '../../protocol/study.ts';
import { listStudies, readStudy, writeStudy } from '../../runs/study-file.ts';
import { RunIndex, cellsOf, type Cell } from './cells.ts';

/** Parts of the service that a study's trainings use. */
export interface RunnerParts {
  homeFolder: string;
  /** A run of the shelf; null where it is gone. */
  run(id: string): RunSummary | null;
  /** The file of a run's last checkpoint. @throws StillhouseError `run.no-checkpoint` */
  lastCheckpoint(run: string): string;
  /** Starts a run. @returns its id. @throws StillhouseError whatever keeps the recipe from being trained. */
  begin(recipe: Partial<Recipe>): Promise<string>;
  /** Goes on with a run. */
  resume(run: string): Promise<void>;
}

/** A training and its run as it is now; null where none was begun, or where it is gone. */
export interface CellRun {
  cell: Cell;
  run: RunSummary | null;
}

/**
 * Begins the trainings of a study one after the other. What is done is seen from the disk alone: a run that has finished
 * is never trained again, one that stands goes on, and a variant whose settings were changed is trained anew.
 */
export class StudyRunner {
  constructor(private readonly parts: RunnerParts) {}

  /** @throws StillhouseError `study.missing` */
  study(id: string): Study {
    const study = readStudy(this.parts.homeFolder, id);
    if (!study) throw new StillhouseError('study.missing', { study: id });
    return study;
  }

  /** Lists every training of a study with its run. */
  cells({ spec, runs }: Study): CellRun[] {
    const index = new RunIndex(runs);
    return cellsOf(spec).map((cell) => {
      const run = index.of(cell);
      return { cell, run: run === undefined ? null : this.parts.run(run) };
    });
  }

  /**
   * Finds the next training that can begin: it neither trains nor has finished, and what it follows has.
   * @param tried runs that were begun since a person asked for the study: one that ended early is not begun again.
   */
  next(study: Study, tried: ReadonlySet<string>): CellRun | null {
    const cells = this.cells(study);
    const finished = new Set(cells.filter(({ run }) => run?.state === 'finished').map(({ cell }) => cell));
    const waits = ({ cell, run }: CellRun): boolean =>
      (run === null || (run.state !== 'finished' && ENDED.includes(run.state) && !tried.has(run.id))) &&
      (cell.parent === null || finished.has(cell.parent));
    return cells.find(waits) ?? null;
  }

  /** Takes over what has finished in other studies with the same settings: it is not trained again. */
  adopt(id: string): void {
    const { homeFolder, run } = this.parts;
    const study = this.study(id);
    const others = listStudies(homeFolder).filter((other) => other.id !== id);
    const finished = others.flatMap(({ runs }) => runs).filter((kept) => run(kept.run)?.state === 'finished');
    const [own, all] = [new RunIndex(study.runs), new RunIndex([...finished, ...study.runs])];
    const found = cellsOf(study.spec).flatMap((cell) => {
      const adopted = own.of(cell) === undefined ? all.of(cell) : undefined;
      if (adopted === undefined) return [];
      return [{ recipe: { ...cell.recipe }, parent: cell.parent ? all.of(cell.parent)! : null, run: adopted }];
    });
    if (found.length > 0) writeStudy(homeFolder, { ...study, runs: [...study.runs, ...found] });
  }

  /** Begins a training, or goes on with it. @returns its run. @throws as {@link RunnerParts.begin}. */
  async begin(id: string, { cell, run: standing }: CellRun): Promise<string> {
    if (standing) {
      await this.parts.resume(standing.id);
      return standing.id;
    }
    const before = this.study(id);
    const index = new RunIndex(before.runs);
    const parent = cell.parent ? index.of(cell.parent)! : null;
    const weights = parent === null ? {} : { finetune: this.parts.lastCheckpoint(parent) };
    const run = await this.parts.begin({ ...cell.recipe, ...weights });
    // A person may have changed the study meanwhile.
    const study = this.study(id);
    const gone = index.of(cell);
    const others = study.runs.filter((kept) => kept.run !== gone);
    writeStudy(this.parts.homeFolder, { ...study, runs: [...others, { recipe: { ...cell.recipe }, parent, run }] });
    return run;
  }
}
