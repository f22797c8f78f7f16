import type { DecodeWorkers } from '../../data/batches/workers.ts';
import { readXSpace, type OpThread } from '../../formats/xspace.ts';
import type { OpTime, RunProfile } from '../../protocol/data-types.ts';
import { writeProfile } from '../../runs/profile-file.ts';
import { openTrace, type TraceSpan, type TraceThread } from '../../runs/trace-file.ts';
import type { Engine } from '../../engines/engine.ts';
import { recordOps, type Recording } from '../../runtime/profiler.ts';
import type { LoopSpan } from '../../train/loop.ts';
import type { TrainStep } from '../../train/step-types.ts';

/** Writes the profile of a run beside its history: where its time went, by thread and by op. */
export interface Profiler {
  onSpan(span: LoopSpan): void;
  /** A batch was copied into the engine; times by `performance.now()`. */
  onFeed(start: number, end: number): void;
  /** The same makers of images, watched. */
  watched(workers: DecodeWorkers): DecodeWorkers;
  /** The same step; one of its runs is recorded op by op. */
  recorded(step: TrainStep): TrainStep;
  close(): void;
}

export interface ProfilerOptions {
  run: string;
  engine: Engine;
  batchSize: number;
  /** Told why ops could not be recorded; the run goes on. */
  onFailure(error: unknown): void;
}

/** Which of the process's steps is recorded op by op: the first ones compile and fill caches. */
const RECORDED = 4;
/** Most tasks of image makers in the trace: those of the first steps show what there is to see. */
const TASKS = 20_000;
/** Most lines of the table of ops. */
const OPS = 200;

const LOOP: TraceThread = { process: 'JobProcess', name: 'Training loop' };

/**
 * Begins the profile of a run. The caller closes it.
 * @throws StillhouseError `disk.denied`
 */
export function openProfiler({ run, engine, batchSize, onFailure }: ProfilerOptions): Profiler {
  const trace = openTrace(run);
  let steps = 0;
  let waiting: { recording: Recording | Error; step: number; milliseconds: number } | null = null;
  // Read only when the step's own time is taken.
  const keep = (): void => {
    if (!waiting) return;
    const { recording, step, milliseconds } = waiting;
    waiting = null;
    try {
      if (recording instanceof Error) throw recording;
      const threads = readXSpace(recording.space)
        .map(withoutImages)
        .filter(({ events }) => events.length > 0);
      for (const span of opSpans(threads, recording.started, `TensorFlow, step ${step}`)) trace.span(span);
      writeProfile(run, profileOf(threads, { step, batchSize, milliseconds }));
    } catch (error) {
      onFailure(error);
    }
  };
  return {
    onSpan: ({ name, start, end, step }) => {
      trace.span({ name, start, end, thread: LOOP, facts: { step } });
      keep();
    },
    onFeed: (start, end) => trace.span({ name: 'host to device', start, end, thread: LOOP }),
    watched: (workers) => ({ ...workers, make: watchedMake(workers.make, trace.span) }),
    recorded: (step) => ({
      ahead: step.ahead,
      run: async (batch, scalars) => {
        if (++steps !== RECORDED) return step.run(batch, scalars);
        const { result, recording } = await recordOps(engine.tensorflow, async () => {
          const begun = performance.now();
          const losses = await step.run(batch, scalars);
          return { losses, milliseconds: performance.now() - begun };
        });
        waiting = { recording, step: scalars.step, milliseconds: result.milliseconds };
        return result.losses;
      },
    }),
    close: () => {
      keep();
      trace.close();
    },
  };
}

// Ops that run one by one, not in the step's function, decode images: they bear the name of their type.
function withoutImages({ name, events }: OpThread): OpThread {
  return { name, events: events.filter(({ op, name }) => op !== name) };
}

function opSpans(threads: readonly OpThread[], started: number, process: string): TraceSpan[] {
  return threads.flatMap(({ events }, number) =>
    events.map(({ op, name, shapes, start, duration }) => ({
      name: op,
      start: started + start / 1e3,
      end: started + (start + duration) / 1e3,
      thread: { process, name: `Thread ${number + 1}` },
      facts: { node: name, shapes },
    })),
  );
}

/** Adds up ops of equal type and shapes, the most expensive first. */
export function profileOf(
  threads: readonly OpThread[],
  facts: Pick<RunProfile, 'step' | 'batchSize' | 'milliseconds'>,
): RunProfile {
  const times = new Map<string, OpTime>();
  for (const { op, shapes, self } of threads.flatMap(({ events }) => events)) {
    const time = times.get(`${op} ${shapes}`) ?? { op, shapes, count: 0, milliseconds: 0 };
    times.set(`${op} ${shapes}`, { ...time, count: time.count + 1, milliseconds: time.milliseconds + self / 1e3 });
  }
  const ops = [...times.values()].sort((a, b) => b.milliseconds - a.milliseconds);
  const opMilliseconds = ops.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return { ...facts, opMilliseconds, ops: ops.slice(0, OPS) };
}

/** Tasks that are under way at the same time stand in rows of their own. */
function watchedMake(make: DecodeWorkers['make'], span: (span: TraceSpan) => void): DecodeWorkers['make'] {
  const busy = new Set<number>();
  let tasks = 0;
  return async (task) => {
    if (tasks >= TASKS) return make(task);
    tasks++;
    let row = 1;
    while (busy.has(row)) row++;
    busy.add(row);
    const start = performance.now();
    try {
      return await make(task);
    } finally {
      busy.delete(row);
      const thread = { process: 'JobProcess', name: `Image maker ${row}` };
      span({
        name: 'read, decode, augment',
        start,
        end: performance.now(),
        thread,
        facts: { images: task.orders.length },
      });
    }
  };
}
