import type { EpochRow } from './events.ts';
import type { Unit } from './step-numbers.ts';

interface EpochNumber {
  unit: Unit;
  /** Its name in TensorBoard and in CSV files. */
  exported: string;
  /** Its value in a row; null or undefined where the row does not have it. */
  of: (row: EpochRow) => number | null | undefined;
}

/** Every number of an epoch's row; the window's columns, CSV and TensorBoard follow. See {@link STEP_NUMBERS}. */
export const EPOCH_NUMBERS = {
  trainLoss: { unit: 'plain', exported: 'epoch/train_loss', of: (row) => row.trainLoss },
  trainLr: { unit: 'plain', exported: 'epoch/train_lr', of: (row) => row.trainLr },
  loss: { unit: 'plain', exported: 'test/loss', of: (row) => row.test.loss },
  acc1: { unit: 'percent', exported: 'test/acc1', of: (row) => row.test.acc1 },
  acc5: { unit: 'percent', exported: 'test/acc5', of: (row) => row.test.acc5 },
  classLoss: { unit: 'plain', exported: 'test_class/loss', of: (row) => row.classHead.loss },
  classAcc1: { unit: 'percent', exported: 'test_class/acc1', of: (row) => row.classHead.acc1 },
  classAcc5: { unit: 'percent', exported: 'test_class/acc5', of: (row) => row.classHead.acc5 },
  distillationLoss: { unit: 'plain', exported: 'test_distillation/loss', of: (row) => row.distillationHead?.loss },
  distillationAcc1: { unit: 'percent', exported: 'test_distillation/acc1', of: (row) => row.distillationHead?.acc1 },
  distillationAcc5: { unit: 'percent', exported: 'test_distillation/acc5', of: (row) => row.distillationHead?.acc5 },
  averageLoss: { unit: 'plain', exported: 'test_ema/loss', of: (row) => row.testEma?.loss },
  averageAcc1: { unit: 'percent', exported: 'test_ema/acc1', of: (row) => row.testEma?.acc1 },
  averageAcc5: { unit: 'percent', exported: 'test_ema/acc5', of: (row) => row.testEma?.acc5 },
  agreement: { unit: 'percent', exported: 'test/agreement', of: (row) => row.agreement },
  seconds: { unit: 'seconds', exported: 'epoch/seconds', of: (row) => row.seconds },
} as const satisfies Record<string, EpochNumber>;

export type EpochNumberName = keyof typeof EPOCH_NUMBERS;
export const EPOCH_NUMBER_NAMES = Object.keys(EPOCH_NUMBERS) as EpochNumberName[];

/** Returns a number of a row; null where the row does not have it. */
export function epochNumber(row: EpochRow, name: EpochNumberName): number | null {
  return EPOCH_NUMBERS[name].of(row) ?? null;
}
