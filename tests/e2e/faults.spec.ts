import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, test } from './fixtures.ts';
import { Workbench, lastState, newestRun, jobProcessOf } from './workbench.ts';

test('a training process that is killed leaves the window alive, and the run can be resumed', async ({ app, home }) => {
  const bench = new Workbench(app);
  await bench.startLong(makeTinyData(join(home, 'images')));
  await expect.poll(() => bench.fact('Last Acc@1')).toMatch(/%/);
  const run = newestRun(home);
  process.kill(jobProcessOf(run), 'SIGKILL');
  await bench.reaches('Crashed');
  await expect(bench.main.getByText(/The training process ended unexpectedly \(killed by SIGKILL/)).toBeVisible();
  await expect(bench.main.getByText(/resume from the last checkpoint/).first()).toBeVisible();
  expect(lastState(run)).toBe('crashed');
  const steps = await bench.steps();
  await bench.main.getByRole('button', { name: 'Resume', exact: true }).first().click();
  await bench.reaches('Running');
  await bench.advances(steps);
  await bench.main.getByRole('button', { name: 'Stop' }).click();
  await bench.reaches('Stopped');
});

test('ending the app while a run trains saves it', async ({ launch, home }) => {
  const app = await launch();
  await new Workbench(app).startLong(makeTinyData(join(home, 'images')));
  const run = newestRun(home);
  const trainer = jobProcessOf(run);
  await app.close();
  expect(lastState(run)).toBe('stopped');
  expect(() => process.kill(trainer, 0)).toThrow('ESRCH');
  const again = new Workbench(await launch());
  await again.go('Train');
  await again.reaches('Stopped');
  await again.go('Checkpoints');
  await expect(again.main.getByRole('row').filter({ hasText: '.safetensors' }).first()).toBeVisible();
});
