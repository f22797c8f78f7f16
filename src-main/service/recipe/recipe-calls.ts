import type { LrSchedule, MemoryForecast, TimeForecast } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Handlers } from '../../protocol/service.ts';
import { engineName } from '../../runs/places.ts';
import type { Datasets } from '../data/datasets.ts';
import type { DataNotes } from '../../jobs/data-notes.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { completed, readRecipe, writeRecipe } from './recipe-text.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { RunStarter } from '../runs/run-starter.ts';
import { lrSchedule } from './schedule-preview.ts';
import { speedKey, speedOfRuns, timeForecast, type Speed } from './time-estimate.ts';
import { runJob } from '../jobs/run-job.ts';
import { shareOfRecipe, threadsOf } from '../../jobs/ranks/share.ts';

interface Parts {
  runsFolder: string;
  jobs: Jobs;
  engine: EngineManager;
  datasets: Datasets;
  notes: DataNotes;
  spawnJob: SpawnJob;
  starter: RunStarter;
}

/** Answers calls about a recipe before it starts: its memory, hours, learning rate, and itself as a text. */
export class RecipeCalls {
  /** Speeds that were measured, by what they hold for. */
  private readonly speeds = new Map<string, Speed>();

  constructor(private readonly parts: Parts) {}

  handlers() {
    return {
      'recipe.check': async ({ recipe }) => (await this.parts.starter.check(recipe)).check,
      'recipe.forecast': ({ recipe, processes }) => this.memory(recipe, processes),
      'recipe.schedule': ({ recipe }) => this.schedule(recipe),
      'recipe.time': ({ recipe, processes }) => this.time(recipe, processes),
      'recipe.measure': async ({ recipe }) => ({ job: await this.measure(recipe) }),
      'recipe.read': async ({ text }) => readRecipe(text),
      'recipe.write': async ({ recipe, format, all }) =>
        writeRecipe(completed((await this.parts.starter.check(recipe)).recipe), format, all),
    } satisfies Partial<Handlers>;
  }

  /** @throws StillhouseError what keeps its networks from being made, or `engine.*`. */
  private async memory(given: Record<string, unknown>, processes = 1): Promise<MemoryForecast> {
    const { recipe, classes } = await this.parts.starter.check(given);
    const { engine, gpu } = await this.parts.engine.choose(recipe.device);
    const excluded = [...this.parts.notes.excludedFiles(recipe.dataPath)];
    if (processes > 1 && gpu !== null) throw new StillhouseError('ranks.processor');
    shareOfRecipe(recipe, processes);
    const threads = processes > 1 ? threadsOf(processes) : undefined;
    const job = { kind: 'forecast', engine, gpu, threads, recipe, classes, excluded, processes } as const;
    return runJob(this.parts.spawnJob, job);
  }

  private async schedule(given: Record<string, unknown>): Promise<LrSchedule> {
    const { recipe, check } = await this.parts.starter.check(given);
    return lrSchedule(recipe, check.stepsPerEpoch);
  }

  /** From the newest like run, else from what was measured; null where nothing tells. @throws StillhouseError `engine.*` */
  async time(given: Record<string, unknown>, processes = 1): Promise<TimeForecast | null> {
    const { recipe: found, check } = await this.parts.starter.check(given);
    const engine = await this.engineOf(found.device);
    if (check.stepsPerEpoch === 0) return null;
    const recipe = this.parts.datasets.settled(found);
    const measured = this.speeds.get(speedKey(recipe, engine));
    const seen = (): Speed | null => speedOfRuns(this.parts.runsFolder, recipe, engine, processes);
    // What is measured is one process: a run with as many says more of several.
    const speed = processes === 1 ? (measured ?? seen()) : nearest(seen(), measured, processes);
    if (!speed) return null;
    const { val } = await this.parts.datasets.ofRecipe(recipe);
    return timeForecast(recipe, { stepsPerEpoch: check.stepsPerEpoch, validation: val.length }, speed);
  }

  private async engineOf(device: string): Promise<string> {
    return engineName((await this.parts.engine.choose(device)).gpu);
  }

  /** Times a few steps, as a job. @returns it. @throws StillhouseError whatever keeps the recipe from being trained. */
  async measure(given: Record<string, unknown>): Promise<string> {
    const { spawnJob, jobs, notes } = this.parts;
    const { recipe } = await this.parts.starter.trainable(given);
    const { engine, gpu } = await this.parts.engine.choose(recipe.device);
    const key = speedKey(recipe, engineName(gpu));
    const excluded = [...notes.excludedFiles(recipe.dataPath)];
    return jobs.start('measure', `measure:${key}`, 'files', async ({ signal, report }) => {
      const job = { kind: 'measure', engine, gpu, recipe, excluded } as const;
      const result = await runJob(spawnJob, job, { signal, report });
      if (!result) return null;
      const { batchSize } = recipe;
      const speed = { ...result, evaluationSeconds: null, batchSize, processes: 1, run: null, time: Date.now() };
      this.speeds.set(key, speed);
      return result.imagesPerSecond;
    });
  }
}

/** Chooses the speed that so many processes had; else what was measured, else any. */
function nearest(seen: Speed | null, measured: Speed | undefined, processes: number): Speed | null {
  return seen?.processes === processes ? seen : (measured ?? seen);
}
