import type { RunTimePart } from '../../../src-main/protocol/run-times.ts';

/** Colour tokens of the parts of a run's time. */
export const TIME_COLORS: Record<RunTimePart, string> = {
  step: 'series-total',
  teacher: 'series-distillation',
  feed: 'series-fused',
  dataWait: 'series-class',
  evaluation: 'series-other',
  checkpoint: 'series-validation',
  compile: 'ink-3',
};
