/** Batches made of parts that are filled concurrently, ahead of need, and come out in order. */
export interface AheadPlan<Batch> {
  /** Numbers of the batches to make: from `first` up to below `end`. */
  first: number;
  end: number;
  /** Parts of a batch. */
  parts(batch: number): number;
  /** An empty batch, made when its first part is begun. */
  make(batch: number): Batch;
  /** Fills one part. What it throws ends the whole sequence; the consumer gets it. */
  fill(batch: Batch, number: number, part: number): Promise<void>;
  /** Parts in the making at the same time. */
  workers: number;
  /** Most batches in memory, the one handed out last included; 2 or more. */
  depth: number;
}

/** One batch in the making; `full` settles when its last part is filled. */
interface Pending<Batch> {
  number: number;
  batch: Batch;
  begun: number;
  missing: number;
  full: Promise<void>;
  settle(): void;
}

/**
 * Makes the batches of a plan. Their order and contents do not depend on `workers` or `depth` as long as `fill` does
 * not. Ending the iteration early starts nothing new and does not wait for parts in the making.
 */
export async function* ahead<Batch>(plan: AheadPlan<Batch>): AsyncGenerator<Batch, void, undefined> {
  const queue: Pending<Batch>[] = [];
  let next = plan.first;
  let active = 0;
  let over = false;
  const failed = { error: undefined as unknown, yes: false };
  const fail = (error: unknown): void => {
    if (!failed.yes) Object.assign(failed, { error, yes: true });
    for (const pending of queue) pending.settle();
  };

  // Begins parts until all workers are busy or `depth` batches are in memory.
  const start = (): void => {
    while (!over && !failed.yes && active < plan.workers) {
      let pending = queue.find(({ number, begun }) => begun < plan.parts(number));
      if (!pending) {
        if (next >= plan.end || queue.length >= plan.depth - 1) return;
        pending = opened(plan, next++);
        queue.push(pending);
        if (pending.missing === 0) continue;
      }
      active++;
      void work(pending, pending.begun++);
    }
  };
  const work = async (pending: Pending<Batch>, part: number): Promise<void> => {
    try {
      await plan.fill(pending.batch, pending.number, part);
      active--;
      if (--pending.missing === 0) pending.settle();
      start();
    } catch (error) {
      fail(error);
    }
  };

  try {
    start();
    while (queue.length > 0) {
      await queue[0].full;
      if (failed.yes) throw failed.error;
      const { batch } = queue.shift()!;
      start();
      yield batch;
    }
  } finally {
    over = true;
  }
}

function opened<Batch>(plan: AheadPlan<Batch>, number: number): Pending<Batch> {
  let settle = (): void => undefined;
  const full = new Promise<void>((resolve) => (settle = resolve));
  const missing = plan.parts(number);
  if (missing === 0) settle();
  return { number, batch: plan.make(number), begun: 0, missing, full, settle };
}
