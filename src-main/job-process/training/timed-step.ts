import type { Engine } from '../../engines/engine.ts';
import type { State } from '../../engines/engine.ts';
import type { TrainStep } from '../../train/step-types.ts';
import { createTrainStep, type TrainStepParts } from '../../train/step.ts';
import type { Profiler } from './profile.ts';
import { timeTeacher } from '../teacher/teacher-time.ts';

/**
 * Compiles the training step for the loop: beside its losses it tells what feeding it took, and what its teacher takes,
 * which is timed first.
 */
export async function measuredStep(
  engine: Engine,
  state: State,
  parts: TrainStepParts,
  profiler: Profiler | null,
): Promise<TrainStep> {
  const { teacher: model, batchSize, precision = 'float32' } = parts;
  const inside = model === 'outside' ? null : model;
  const teacher = inside ? { teacher: await timeTeacher(engine, state, inside, { batchSize, precision }) } : {};
  const onFeed = (start: number, end: number): void => profiler?.onFeed(start, end);
  const step = await createTrainStep(engine, state, { ...parts, onFeed });
  const measured: TrainStep = {
    ahead: step.ahead,
    run: async (batch, scalars) => {
      const { took, ...losses } = await step.run(batch, scalars);
      return { ...losses, took: { feed: 0, ...took, ...teacher } };
    },
  };
  return profiler ? profiler.recorded(measured) : measured;
}
