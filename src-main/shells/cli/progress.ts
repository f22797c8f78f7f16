import type { PlainError } from '../../protocol/errors.ts';
import type { EpochRow, ExportRow, HistoryRow, StepRow } from '../../protocol/events.ts';
import { totalEpochs, type Recipe } from '../../protocol/recipe.ts';

/** Takes what a command writes: results go to `out`, all that accompanies them to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** True when `err` is a terminal in which a line can be written anew. */
  interactive: boolean;
  columns: number;
}

/** Shows what happens while a command runs. */
export interface Reporter {
  rows(rows: readonly HistoryRow[], recipe: Recipe): void;
  /** `total` 0 while it is unknown; `rate` in units a second. */
  progress(stage: string, done: number, total: number, unit?: 'bytes' | 'files', rate?: number): void;
  note(text: string): void;
  /** The result of the command: `text` for people, `data` for programs, of an array one line each. */
  result(text: string, data: object): void;
  error(error: PlainError): void;
}

/** Makes a reporter that prints one JSON object a line, for programs: history rows as they are, others by `type`. */
export function jsonReporter({ out }: Terminal): Reporter {
  const line = (value: unknown): void => out(`${JSON.stringify(value)}\n`);
  return {
    rows: (rows) => rows.forEach(line),
    progress: (stage, done, total, unit, rate) => line({ type: 'progress', stage, done, total, unit, rate }),
    note: (message) => line({ type: 'message', message }),
    result: (_text, data) => (Array.isArray(data) ? data.forEach(line) : line(data)),
    error: ({ code, params, message }) => line({ type: 'error', code, params, message }),
  };
}

/** Milliseconds between two progress lines where lines cannot be rewritten. */
const PLAIN_INTERVAL = 10_000;

/** Makes a reporter for people: one line that is refreshed in a terminal, elsewhere a line now and then. */
export function textReporter(terminal: Terminal): Reporter {
  const status = statusLine(terminal);
  return {
    rows: (rows, recipe) => {
      for (const row of rows) {
        if (row.type === 'step') status.show(stepText(row, recipe));
        else if (row.type === 'epoch') status.print(epochText(row, recipe));
        else if (row.type === 'note') status.print(row.note.message);
        else if (row.type === 'export') status.print(exportText(row));
      }
    },
    progress: (stage, done, total, unit, rate) => status.show(progressText(stage, done, total, unit, rate)),
    note: (text) => status.print(text),
    result: (text) => {
      status.clear();
      terminal.out(text.endsWith('\n') ? text : `${text}\n`);
    },
    error: ({ message }) => status.print(message),
  };
}

function statusLine(terminal: Terminal) {
  const { err, interactive } = terminal;
  let shown = -Infinity;
  const clear = (): void => {
    if (interactive) err('\r\x1b[2K');
  };
  return {
    clear,
    print: (text: string): void => {
      clear();
      err(`${text}\n`);
    },
    show: (text: string): void => {
      if (interactive) return err(`\r\x1b[2K${text.slice(0, terminal.columns - 1)}`);
      if (performance.now() - shown < PLAIN_INTERVAL) return;
      shown = performance.now();
      err(`${text}\n`);
    },
  };
}

function stepText(row: StepRow, recipe: Recipe): string {
  const inEpoch = row.step - row.epoch * row.stepsPerEpoch;
  const parts =
    row.lossDistillation === null || recipe.distillationType === 'none'
      ? ''
      : ` (class ${row.lossClass.toFixed(3)}, distillation ${row.lossDistillation.toFixed(3)})`;
  return [
    `Epoch ${row.epoch + 1}/${totalEpochs(recipe)}`,
    `step ${inEpoch}/${row.stepsPerEpoch}`,
    `loss ${row.loss.toFixed(3)}${parts}`,
    `lr ${row.lr.toPrecision(3)}`,
    `${row.imagesPerSecond.toFixed(1)} images/s`,
    `${duration(row.secondsLeft)} left`,
    bytes(row.memory),
  ].join('  ');
}

function epochText(row: EpochRow, recipe: Recipe): string {
  const { test, classHead, distillationHead, testEma, agreement } = row;
  const heads = distillationHead
    ? `  class head ${classHead.acc1.toFixed(2)}  distillation head ${distillationHead.acc1.toFixed(2)}`
    : '';
  const average = testEma ? `  average of weights ${testEma.acc1.toFixed(2)}` : '';
  const teacher = agreement === null ? '' : `  agrees with teacher ${agreement.toFixed(2)}`;
  const trained = `Epoch ${row.epoch + 1}/${totalEpochs(recipe)}  train loss ${row.trainLoss.toFixed(4)}`;
  return `${trained}  ${scoreText(test)}${heads}${average}${teacher}  ${duration(row.seconds)}`;
}

function exportText({ format, path, bytes: size, error, passed }: ExportRow): string {
  if (error) return `Export as ${format} FAILED: ${error.message}`;
  const check = passed === null ? 'not checked' : passed ? 'check passed' : 'check FAILED: do not use it';
  return `Exported as ${format}, ${check}: ${path} (${bytes(size)})`;
}

/** Writes DeiT's closing line of an evaluation. */
export function scoreText({ acc1, acc5, loss }: { acc1: number; acc5: number; loss: number }): string {
  return `* Acc@1 ${acc1.toFixed(3)} Acc@5 ${acc5.toFixed(3)} loss ${loss.toFixed(3)}`;
}

function progressText(stage: string, done: number, total: number, unit?: 'bytes' | 'files', rate?: number): string {
  if (done === 0 && total === 0) return `${stage} …`;
  const amount = (value: number): string => (unit === 'bytes' ? bytes(value) : String(value));
  const share = total > 0 ? ` of ${amount(total)} (${Math.floor((100 * done) / total)} %)` : '';
  const speed = rate ? `  ${amount(Math.round(rate))}/s` : '';
  const left = rate && total > 0 ? `  ${duration((total - done) / rate)} left` : '';
  return `${stage}: ${amount(done)}${share}${speed}${left}`;
}

/** Writes seconds for people: `45s`, `3m05s`, `2h10m`, `4d03h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h${two((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86400)}d${two((whole % 86400) / 3600)}h`;
}

/** Writes bytes in decimal units with three digits: `1.23 GB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [count, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}
