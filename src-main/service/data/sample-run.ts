import { join } from 'node:path';
import { StillhouseError, fromPlainError, toPlainError } from '../../protocol/errors.ts';
import type { SampleStep } from '../../protocol/events.ts';
import { PRESETS } from '../../protocol/presets.ts';
import { defaultRecipe, type Recipe } from '../../protocol/recipe.ts';
import { bestCheckpoint } from '../../runs/checkpoint.ts';
import { checkpointsFolder } from '../../runs/run-folder.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import type { JobContext, Jobs } from '../jobs/jobs.ts';
import type { RunControl } from '../runs/run-control.ts';
import type { RunStore } from '../runs/run-store.ts';
import { isInstalled } from './sample-cost.ts';

interface Parts {
  jobs: Jobs;
  engine: EngineManager;
  shelf: RunStore;
  control: RunControl;
  /** Each starts a job, and returns its id. */
  install(): string;
  build(): string;
  fetchWeights(model: string): string;
  /** Starts a run. @throws StillhouseError `run.busy`, or whatever keeps the recipe from being trained. */
  train(recipe: Recipe): Promise<string>;
  enqueue(recipe: Recipe): void;
  /** `active` has changed. */
  onActive(): void;
}

/**
 * The way from nothing to a distilling run on the sample data: a job that needs no window. Each step leaves something
 * behind: begun again after a failure or an end of the service, it goes on with the first that is missing.
 */
export class SampleRun {
  /** True while it goes on by itself. */
  active = false;

  constructor(private readonly parts: Parts) {}

  /** Starts it, or finds it under way. @returns its job. */
  start(): string {
    return this.parts.jobs.start('sample-run', 'sample-run', 'files', async (context) => {
      this.setActive(true);
      try {
        return await this.walk(context);
      } finally {
        this.setActive(false);
      }
    });
  }

  private setActive(active: boolean): void {
    this.active = active;
    this.parts.onActive();
  }

  private async walk({ signal, report }: JobContext): Promise<string | null> {
    const { jobs, install, build } = this.parts;
    const at = (step: SampleStep): void => {
      signal.throwIfAborted();
      report({ stage: step, done: 0, total: 0 });
    };
    at('engine');
    if (!(await this.hasEngine())) await jobs.outcome(install(), signal);
    at('data');
    const data = String(await jobs.outcome(build(), signal));
    const teacher = this.teacherOn(data) ?? (await this.makeTeacher(data, at, signal));
    at('student');
    return this.distil({ ...presetRecipe('sample-student', data), ...teacher });
  }

  private async hasEngine(): Promise<boolean> {
    return isInstalled(await this.parts.engine.status());
  }

  private async makeTeacher(data: string, at: (step: SampleStep) => void, signal: AbortSignal): Promise<Taught> {
    const { jobs, fetchWeights, train, control, shelf } = this.parts;
    const recipe = presetRecipe('sample-teacher', data);
    at('weights');
    const finetune = String(await jobs.outcome(fetchWeights(recipe.model), signal));
    at('teacher');
    const run = await train({ ...recipe, finetune });
    await Promise.race([control.ended(run), aborted(signal)]);
    signal.throwIfAborted();
    const { state, error } = shelf.detail(run, (id) => control.stateOf(id)).summary;
    const made = state === 'finished' ? this.teacherOn(data) : null;
    // A person who stops the teacher wants no student of it now.
    if (!made) throw error ? fromPlainError(error) : new StillhouseError('job.cancelled');
    return made;
  }

  /** The newest teacher of the preset's kind that has been trained on the sample. */
  private teacherOn(data: string): Taught | null {
    const { shelf, control } = this.parts;
    const { model } = presetRecipe('sample-teacher', data);
    for (const run of shelf.list((id) => control.stateOf(id))) {
      if (run.model !== model || run.dataPath !== data || run.epoch === 0 || control.stateOf(run.id)) continue;
      const best = bestCheckpoint(run.path);
      if (best) return { teacherModel: model, teacherPath: join(checkpointsFolder(run.path), best.file) };
    }
    return null;
  }

  /** @returns the student's run; null when it waits, since another has begun to train meanwhile. */
  private async distil(recipe: Recipe): Promise<string | null> {
    try {
      return await this.parts.train(recipe);
    } catch (error) {
      if (toPlainError(error).code !== 'run.busy') throw error;
      this.parts.enqueue(recipe);
      return null;
    }
  }
}

type Taught = Pick<Recipe, 'teacherModel' | 'teacherPath'>;

function presetRecipe(id: string, dataPath: string): Recipe {
  return { ...defaultRecipe(), ...PRESETS.find((preset) => preset.id === id)!.values, dataPath };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
