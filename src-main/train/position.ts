/** Says where a run stands, exactly: with the state it is all that resuming needs. */
export interface Position {
  /** Epoch being trained, from 0. */
  epoch: number;
  /** Batches of this epoch that are done; `stepsPerEpoch` once only its evaluation is missing. */
  batch: number;
  /** Optimizer steps made since the start of the run. */
  step: number;
  /** Sum of the losses of this epoch's steps so far. */
  lossSum: number;
  /** Acc@1 of each finished epoch, null where nothing was evaluated; kept where the schedule goes by it. */
  scores?: (number | null)[];
}

/** Returns the start of the next epoch after `position`, whose epoch scored this Acc@1. */
export function nextEpoch({ epoch, step, scores }: Position, score: number | null = null): Position {
  return { epoch: epoch + 1, batch: 0, step, lossSum: 0, ...(scores && { scores: [...scores, score] }) };
}
