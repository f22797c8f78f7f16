import type { EpochRow, HeadScore, HistoryRow, StepRow } from '../protocol/events.ts';

/** The numbers of a history row under the names that TensorBoard and spreadsheets show: `train/loss`, `test/acc1`. */
export type Named = readonly (readonly [name: string, value: number | null])[];

/** The numbers of a step row, the same names for each. */
export function stepNumbers(row: StepRow): Named {
  const { anatomy } = row;
  return [
    ['train/loss', row.loss],
    ['train/loss_class', row.lossClass],
    ['train/loss_distillation', row.lossDistillation],
    ['train/lr', row.lr],
    ['speed/images_per_second', row.imagesPerSecond],
    ['speed/data_wait_ms', anatomy.dataWait],
    ['speed/feed_ms', anatomy.feed ?? null],
    ['speed/step_ms', anatomy.step],
    ['speed/teacher_ms', anatomy.teacher ?? null],
    ['memory/trainer_bytes', row.memory],
  ];
}

/** The numbers of an epoch row, the same names for each. */
export function epochNumbers(row: EpochRow): Named {
  return [
    ['epoch/train_loss', row.trainLoss],
    ['epoch/train_lr', row.trainLr],
    ...score('test', row.test),
    ...score('test_class', row.classHead),
    ...score('test_distillation', row.distillationHead),
    ...score('test_ema', row.testEma ?? null),
    ['test/agreement', row.agreement],
    ['epoch/seconds', row.seconds],
  ];
}

function score(head: string, found: HeadScore | null): Named {
  return (['loss', 'acc1', 'acc5'] as const).map((metric) => [`${head}/${metric}`, found?.[metric] ?? null] as const);
}

/** The numbers of a row that has any; null for all others. */
export function numbersOf(row: HistoryRow): Named | null {
  if (row.type === 'step') return stepNumbers(row);
  return row.type === 'epoch' ? epochNumbers(row) : null;
}

/** A table of comma-separated values, a line a row: time, epoch, step, then the row's numbers; '' where one is missing. */
export function historyCsv(history: readonly HistoryRow[], rows: 'epochs' | 'steps'): string {
  const type = rows === 'steps' ? 'step' : 'epoch';
  const lines = history.flatMap((row) => {
    if (row.type !== type) return [];
    const { time, epoch, step } = row;
    const numbers = row.type === 'step' ? stepNumbers(row) : epochNumbers(row);
    return [{ names: numbers.map(([name]) => name), cells: [new Date(time).toISOString(), epoch, step, ...numbers.map(([, value]) => value ?? '')] }]; // prettier-ignore
  });
  const head = ['time', 'epoch', 'step', ...(lines[0]?.names ?? [])];
  return [head, ...lines.map(({ cells }) => cells)].map((cells) => `${cells.join(',')}\n`).join('');
}
