import type { SpentPart } from '../../../src-main/protocol/spent.ts';

/** Colour tokens of the parts of a run's time. */
export const SPENT_COLORS: Record<SpentPart, string> = {
  step: 'series-total',
  teacher: 'series-distillation',
  feed: 'series-fused',
  dataWait: 'series-class',
  evaluation: 'series-other',
  checkpoint: 'series-validation',
  compile: 'ink-3',
};
