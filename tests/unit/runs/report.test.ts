import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openHistory } from '../../../src-main/runs/history.ts';
import { renderRun } from '../../../src-main/service/studies/report/run-page.ts';
import { spawnJob } from '../../../src-main/jobs/job-process.ts';
import { runCli } from '../../../src-main/shells/cli/main.ts';
import { epochRow, newRun, temporaryFolder } from './state.ts';

function twoEpochs(): string {
  const run = newRun(undefined, { teacherModel: '<b>', distillationType: 'hard' });
  const history = openHistory(run);
  history.append([epochRow(0, 60), epochRow(1, 55)]);
  history.close();
  return run;
}

it('reports the last epoch, not the best, with the settings that are not the default', () => {
  const text = renderRun(twoEpochs(), 'md');
  expect(text).toContain('after epoch 2, the last');
  expect(text).toMatch(/\| What decides \| 55\.00 \|/);
  expect(text).toMatch(/\| 1 \| .*\| 60\.00 \|/);
  expect(text).toContain('| --teacher-model | \\<b\\> | regnety\\_160 |');
  expect(renderRun(newRun(), 'md')).toContain('No epoch is done yet.');
});

it('comes in every format: an HTML file in both languages with no script and no markup of a name', () => {
  const run = twoEpochs();
  const html = renderRun(run, 'html');
  expect(html).not.toMatch(/<script|<b>|https?:/);
  expect(html).toContain('&#60;b&#62;');
  expect(html).toContain('最后一轮（第 2 轮）');
  expect(html).toContain('role="img"');
  expect(renderRun(run, 'tex')).toContain('teacher-model & $<$b$>$ & regnety\\_160');
  expect(renderRun(run, 'csv').trim().split(/\r?\n/)).toHaveLength(3);
  expect(renderRun(run, 'md', 'zh')).toContain('| 最终判断 | 55.00 |');
});

it('is written by the command line', async () => {
  const output = join(temporaryFolder(), 'run.html');
  const said: string[] = [];
  const terminal = {
    out: (text: string) => void said.push(text),
    err: () => undefined,
    interactive: false,
    columns: 80,
  };
  const code = await runCli(['report', twoEpochs(), '--output', output], terminal, {
    onInterrupt: () => ({ release: () => undefined }),
    spawnJob,
  });
  expect([code, said.join('')]).toEqual([0, `Written: ${output}\n`]);
  expect(readFileSync(output, 'utf8')).toMatch(/^<!doctype html>/);
});
