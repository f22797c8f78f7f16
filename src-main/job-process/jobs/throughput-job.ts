import { freeMemory } from '../../base/memory.ts';
import type { Engine, State } from '../../engines/engine.ts';
import type { JobResults, ThroughputJob } from '../../jobs/job-protocol.ts';
import { createModel } from '../../model/zoo.ts';
import { initialValues } from '../../train/init.ts';
import { createEvalStep, frozenIn, recordEvalStep, type EvalStepParts } from '../../train/step.ts';
import { PREFIX } from '../../train/variables.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { fastestBatch } from '../evaluation/fastest-batch.ts';
import { latencyOfRuns } from '../exports/latency.ts';
import type { JobContext } from '../job-context.ts';
import { setParams, uniformsOf } from '../training/train-state.ts';

/** The share of the free memory that a batch may take. */
const SHARE = 0.8;
/** Runs of a batch as in the paper, or as many of them, at least five, as a second holds. */
const MOST = { runs: 30, time: 1000 };

/**
 * Times how fast a recipe's network answers. Its weights are drawn, since the time does not depend on them.
 * @returns null when it was stopped.
 * @throws StillhouseError `engine.load`, `device.*`, `argument.invalid`
 */
export async function runThroughputJob(job: ThroughputJob, context: JobContext): Promise<JobResults['throughput']> {
  const { model: name, inputSize, seed } = job.recipe;
  const model = createModel(name, { classes: job.classes, inputSize });
  const engine = await openEngine(job);
  const state = engine.newState();
  try {
    setParams(state, PREFIX.model, model.specs, initialValues(model.specs, uniformsOf(seed)));
    const partsOf = (batchSize: number): EvalStepParts => ({ model, prefix: PREFIX.model, batchSize, frozen: true });
    return await fastestBatch({
      first: engine.device.count,
      fits: (batch) => fits(engine, partsOf(batch)),
      speed: (batch) => {
        context.tell({ tell: 'progress', stage: 'latency', done: 0, total: 0 });
        return speedOf(engine, state, partsOf(batch), context.stop);
      },
    });
  } finally {
    state.dispose();
  }
}

/** Tells whether a batch fits the memory by what its program needs; of an accelerator that does not tell its memory, true. */
async function fits(engine: Engine, parts: EvalStepParts): Promise<boolean> {
  const { kind, memory } = engine.device;
  const free = kind === 'processor' ? freeMemory() : memory;
  if (free === null) return true;
  const program = recordEvalStep(engine, parts);
  const { values, frozen } = await engine.footprint(program, { isFrozen: frozenIn(parts) });
  return values + frozen < SHARE * free;
}

/** Times a batch in images a second; null when stopped. */
async function speedOf(engine: Engine, state: State, parts: EvalStepParts, stop: AbortSignal): Promise<number | null> {
  const { batchSize, model } = parts;
  const step = await createEvalStep(engine, state, parts);
  try {
    const images = new Uint8Array(batchSize * 3 * model.inputSize ** 2).fill(127);
    const found = await latencyOfRuns(batchSize, () => step.run(images), stop, MOST);
    return found && found.imagesPerSecond;
  } finally {
    step.dispose();
  }
}
