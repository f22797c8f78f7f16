import { listStores, removeStore } from '../../answers/answer-stores.ts';
import type { DataNotes } from '../../jobs/data-notes.ts';
import type { KeptStore } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { DISTILLATION_NAMES } from '../../protocol/distillations.ts';
import type { Handlers } from '../../protocol/service.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { runJob } from '../jobs/run-job.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { RunStarter } from '../runs/run-starter.ts';

interface Parts {
  /** Holds the kept answers. */
  folder: string;
  jobs: Jobs;
  engine: EngineManager;
  notes: DataNotes;
  spawnJob: SpawnJob;
  starter: RunStarter;
}

/** Kept answers of teachers: makes them ahead, lists and removes them. */
export class AnswerCalls {
  constructor(private readonly parts: Parts) {}

  handlers() {
    const { folder } = this.parts;
    return {
      'answers.make': async ({ recipe }) => ({ job: await this.make(recipe) }),
      'answers.list': async () =>
        listStores(folder).map(({ facts, ...store }): KeptStore => {
          const { teacher = '', dataPath = '', kind = 'decisions', of = 'training' } = facts ?? {};
          return { ...store, teacher, dataPath, kind, of };
        }),
      'answers.remove': async ({ id }) => removeStore(folder, id),
    } satisfies Partial<Handlers>;
  }

  /**
   * Starts a job that asks the teacher for what is not kept yet.
   * @throws StillhouseError whatever keeps the recipe from being trained, `recipe.invalid` without a teacher.
   */
  private async make(given: Record<string, unknown>): Promise<string> {
    const { spawnJob, jobs, notes, starter, engine: engines } = this.parts;
    const { recipe } = await starter.trainable({ ...given, teachOnce: true });
    if (recipe.distillationType === 'none') {
      const expected = DISTILLATION_NAMES.join(', ');
      throw new StillhouseError('recipe.invalid', { key: 'distillationType', expected, got: '"none"' });
    }
    const { engine, gpu } = await engines.choose(recipe.device);
    const excluded = [...notes.excludedFiles(recipe.dataPath)];
    return jobs.start('teach', `teach:${JSON.stringify(recipe)}`, 'files', (context) =>
      runJob(spawnJob, { kind: 'teach', engine, gpu, recipe, excluded }, context),
    );
  }
}
