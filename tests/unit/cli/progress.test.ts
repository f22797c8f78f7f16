import { describe, expect, it } from 'vitest';
import type { EpochRow, StepRow } from '../../../src-main/protocol/events.ts';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';
import {
  bytes,
  duration,
  jsonReporter,
  scoreText,
  textReporter,
  type Terminal,
} from '../../../src-main/shells/cli/progress.ts';

const recipe = parseRecipe({ epochs: 20, distillationType: 'hard' });
const step: StepRow = {
  type: 'step',
  time: 0,
  epoch: 2,
  step: 230,
  stepsPerEpoch: 100,
  loss: 2.5,
  lossClass: 2,
  lossDistillation: 3,
  lr: 1e-4,
  imagesPerSecond: 48.24,
  secondsLeft: 3725,
  memory: 1.234e9,
  anatomy: { dataWait: 1, step: 2 },
};
const score = { loss: 1.2193, acc1: 72.2024, acc5: 91.1241 };
const epoch: EpochRow = {
  type: 'epoch',
  time: 0,
  epoch: 2,
  step: 300,
  trainLoss: 2.25,
  trainLr: 1e-4,
  test: score,
  classHead: { ...score, acc1: 70 },
  distillationHead: { ...score, acc1: 71 },
  agreement: 80,
  parameters: 5,
  seconds: 61,
};

function terminal(interactive: boolean) {
  const written = { out: '', err: '' };
  const io: Terminal = {
    out: (text) => void (written.out += text),
    err: (text) => void (written.err += text),
    interactive,
    columns: 80,
  };
  return { written, io };
}

describe('textReporter', () => {
  it('refreshes one line in a terminal and keeps the epoch line', () => {
    const { written, io } = terminal(true);
    textReporter(io).rows([step, step, epoch], recipe);
    const lines = written.err.split('\n');
    expect(lines).toHaveLength(2);
    expect(written.err.match(/\r/g)).toHaveLength(3);
    expect(written.err).toContain('Epoch 3/20  step 30/100  loss 2.500 (class 2.000, distillation 3.000)');
    expect(written.err.split('\r').every((part) => part.replace('\x1b[2K', '').split('\n')[0].length < 200)).toBe(true);
    expect(lines[0]).toContain(
      'Epoch 3/20  train loss 2.2500  * Acc@1 72.202 Acc@5 91.124 loss 1.219' +
        '  class head 70.00  distillation head 71.00  agrees with teacher 80.00  1m01s',
    );
  });

  it('never writes past the width of the terminal', () => {
    const { written, io } = terminal(true);
    textReporter(io).rows([step], recipe);
    expect(written.err.replace('\r\x1b[2K', '').length).toBeLessThan(80);
  });

  it('writes a plain line now and then elsewhere', () => {
    const { written, io } = terminal(false);
    const reporter = textReporter(io);
    reporter.rows([step, step, step], recipe);
    reporter.progress('download', 5e6, 1e7, 'bytes', 1e6);
    expect(written.err.split('\n')).toHaveLength(2);
    expect(written.err).not.toContain('\r');
    expect(written.err).toContain('48.2 images/s  1h02m left  1.23 GB');
  });

  it('shows the progress of a download', () => {
    const { written, io } = terminal(true);
    textReporter(io).progress('download', 5e6, 1e7, 'bytes', 1e6);
    expect(written.err).toContain('download: 5.00 MB of 10.0 MB (50 %)  1.00 MB/s  5s left');
  });
});

describe('jsonReporter', () => {
  it('writes one object a line and nothing else', () => {
    const { written, io } = terminal(true);
    const reporter = jsonReporter(io);
    reporter.rows([step, epoch], recipe);
    reporter.error({ code: 'job.cancelled', params: {}, message: 'Cancelled.' });
    reporter.result('text', { type: 'result', path: '/x' });
    const lines = written.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toEqual([
      step,
      epoch,
      { type: 'error', code: 'job.cancelled', params: {}, message: 'Cancelled.' },
      { type: 'result', path: '/x' },
    ]);
    expect(written.err).toBe('');
  });
});

describe('words for numbers', () => {
  it('name durations', () => {
    expect([0, 59.6, 185, 7800, 270_000].map(duration)).toEqual(['0s', '1m00s', '3m05s', '2h10m', '3d03h']);
  });

  it('name sizes', () => {
    expect([0, 999, 1234, 5.6e8, 1.5e12].map(bytes)).toEqual(['0 B', '999 B', '1.23 kB', '560 MB', '1.50 TB']);
  });

  it("close an evaluation with DeiT's line", () => {
    expect(scoreText(score)).toBe('* Acc@1 72.202 Acc@5 91.124 loss 1.219');
  });
});
