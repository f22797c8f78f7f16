import type { Model } from '../../model/model.ts';
import type { Engine } from '../../engines/engine.ts';
import type { Precision } from '../../trace/narrow.ts';
import type { State } from '../../engines/engine.ts';
import { createEvalStep } from '../../train/step.ts';
import { PREFIX } from '../../train/variables.ts';

/** Runs that are timed; the first one before them compiles. */
const RUNS = 3;

/**
 * Measures the milliseconds that the teacher takes for a batch: the median over a few runs of its forward program
 * alone. In the training step its ops lie among the student's, where no clock can separate them.
 */
export async function timeTeacher(
  engine: Engine,
  state: State,
  model: Model,
  { batchSize, precision }: { batchSize: number; precision: Precision },
): Promise<number> {
  const step = await createEvalStep(engine, state, {
    model,
    prefix: PREFIX.teacher,
    batchSize,
    precision,
    frozen: true,
  });
  try {
    const images = new Uint8Array(batchSize * model.inputSize ** 2 * 3).fill(127);
    await step.run(images);
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const started = performance.now();
      await step.run(images);
      times.push(performance.now() - started);
    }
    return times.sort((a, b) => a - b)[RUNS >> 1];
  } finally {
    step.dispose();
  }
}
