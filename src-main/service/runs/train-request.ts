import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { listDataset, type Dataset } from '../../data/layout/folder.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { RecipeCheck } from '../../protocol/data-types.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { openCheckpoint } from '../../runs/checkpoint-file.ts';
import { lockOwner, lockedError } from '../../runs/lock.ts';
import { archivesFolder, dataNotesFolder, engineName } from '../../runs/places.ts';
import { isRun, openRun, runOfCheckpoint } from '../../runs/run-folder.ts';
import type { ChosenEngine, EngineManager } from '../engine/engine-manager.ts';
import { DataNotes } from '../../jobs/data-notes.ts';
import { checkRecipe, refusal } from '../recipe/recipe-check.ts';
import { RunStore } from './run-store.ts';

/** The request of a person on the command line. Paths are absolute. */
export interface TrainRequest {
  /** The settings that were given; the others come from the run that is resumed, or are the defaults. */
  given: Partial<Recipe>;
  /** `''`: a new run. `auto`: go on in the output folder if a run is there. Else a checkpoint file or a run folder. */
  resume: string;
}

/** A training that may start. */
export interface PreparedTraining {
  run: string;
  recipe: Recipe;
  /** As a train job takes it. */
  resume: string;
  check: RecipeCheck;
  engine: ChosenEngine;
}

/**
 * Decides what to train and where, checks it whole, and makes the folder of a new run.
 * @param runsFolder holds runs that name no folder of their own.
 * @param choose gives the engine for the device of the recipe.
 * @throws StillhouseError whatever keeps it from being trained.
 */
export async function prepareTraining(
  request: TrainRequest,
  runsFolder: string,
  choose: EngineManager['choose'],
): Promise<PreparedTraining> {
  const { run, base, resume } = sourceOf(request);
  const notes = new DataNotes(dataNotesFolder());
  const dataset = ({ dataPath: path, dataReading }: Recipe): Promise<Dataset> =>
    listDataset(path, {
      excluded: notes.excludedFiles(path),
      archiveCache: archivesFolder(),
      reading: dataReading || notes.reading(path),
    });
  const facts = { dataset, runsFolder };
  const checked = await checkRecipe({ ...base, ...request.given, ...(run && { outputDir: run }) }, facts);
  const refused = refusal(checked);
  if (refused) throw refused;
  const { classes, check } = checked;
  const dataReading = checked.recipe.dataReading || notes.reading(checked.recipe.dataPath);
  const recipe = { ...checked.recipe, dataReading };
  const engine = await choose(recipe.device);
  const owner = run && lockOwner(run);
  if (owner) throw lockedError(run, owner);
  if (run) return { run, recipe, resume, check, engine };
  const { path } = new RunStore(runsFolder).create(recipe, classes, engineName(engine.gpu));
  notes.copyTo(recipe.dataPath, path);
  return { run: path, recipe, resume, check, engine };
}

/** Where the training goes on. */
interface Source {
  /** The run that is resumed; null for a new one. */
  run: string | null;
  /** The settings to start from. */
  base: Partial<Recipe>;
  resume: string;
}

function sourceOf({ given, resume }: TrainRequest): Source {
  const output = given.outputDir ? resolve(given.outputDir) : null;
  if (resume === '') return { run: null, base: {}, resume: 'new' };
  if (resume === 'auto') {
    if (!output)
      throw new StillhouseError('argument.invalid', { name: '--resume auto', expected: WITH, got: 'nothing' });
    return isRun(output) ? ownRun(output, 'auto') : { run: null, base: {}, resume: 'auto' };
  }
  if (!existsSync(resume)) throw new StillhouseError('file.missing', { path: resume });
  const isFolder = statSync(resume).isDirectory();
  const home = isFolder ? resume : runOfCheckpoint(resume);
  if (home && (output ?? home) === home) return ownRun(home, isFolder ? 'auto' : resume);
  const checkpoint = openCheckpoint(resume);
  checkpoint.close();
  const { outputDir: _, ...base } = checkpoint.recipe;
  return { run: null, base, resume };
}

const WITH = '--output-dir beside it';

function ownRun(run: string, resume: string): Source {
  return { run, base: openRun(run).recipe, resume };
}
