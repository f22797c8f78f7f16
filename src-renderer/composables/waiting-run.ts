import type { QueueEntry, RunSummary } from '../../src-main/protocol/data-types.ts';
import { wantedExports, type WantedExport } from '../../src-main/protocol/export-formats.ts';
import { defaultRecipe } from '../../src-main/protocol/recipe.ts';
import { presetsOf } from './recipe-presets.ts';

/** A run that waits, as it is shown. */
export interface WaitingRun {
  entry: QueueEntry;
  /** Id of the preset that the recipe is; null for settings of one's own and for a run to resume. */
  preset: string | null;
  model: string;
  /** '' without one. */
  teacher: string;
  dataPath: string;
  epochs: number;
  /** The formats in which it is exported when done; a run to resume has them in its recipe. */
  exports: WantedExport[];
  /** How long it is expected to take; null while nothing tells. */
  seconds: number | null;
}

/** Describes a waiting entry as it is shown. */
export function waitingRun(
  entry: QueueEntry,
  runs: readonly RunSummary[],
  times: ReadonlyMap<string, number | null>,
): WaitingRun {
  if (entry.resume !== null) return resumed(entry, runs);
  const recipe = { ...defaultRecipe(), ...entry.recipe };
  return {
    entry,
    preset: presetsOf(recipe)[0]?.id ?? null,
    model: recipe.model,
    teacher: recipe.distillationType === 'none' ? '' : recipe.teacherModel,
    dataPath: recipe.dataPath,
    epochs: recipe.epochs,
    exports: wantedExports(recipe),
    seconds: times.get(entry.id) ?? null,
  };
}

function resumed(entry: QueueEntry, runs: readonly RunSummary[]): WaitingRun {
  const run = runs.find(({ id }) => id === entry.resume);
  const { model = '', teacher = '', dataPath = '', epochs = 0, epoch = 0, seconds = 0 } = run ?? {};
  const left = epoch > 0 && seconds > 0 ? (seconds / epoch) * (epochs - epoch) : null;
  return { entry, preset: null, model, teacher, dataPath, epochs, exports: [], seconds: left };
}
