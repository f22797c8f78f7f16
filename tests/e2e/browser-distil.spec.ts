import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineFolder, weightsFolder } from '../../src-main/runs/places.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test as base } from './fixtures.ts';
import { Workbench } from './workbench.ts';

/** From a folder to a distilled student, in the window: one start, one progress. */
const SMALL = { width: 1280, height: 800 };

/** A cache with the engine and the weights of this machine, and a sample of a few images. */
const test = base.extend({
  cache: async ({}, use) => {
    const cache = mkdtempSync(join(tmpdir(), 'stillhouse-cache-'));
    mkdirSync(join(cache, 'engine'));
    symlinkSync(engineFolder(), join(cache, 'engine', 'cpu-2.21.0'));
    symlinkSync(weightsFolder(), join(cache, 'weights'));
    writeFileSync(join(makeTinyData(join(cache, 'sample'), { train: 12, val: 4 }), 'SOURCES.txt'), '');
    await use(cache);
    rmSync(cache, { recursive: true, force: true });
  },
});

test('a folder becomes a student: begun, stopped and taken on as one thing', async ({ app, cache }) => {
  const bench = new Workbench(app);
  const { page } = bench;
  const panel = page.getByRole('region', { name: 'Distil on this folder' });
  const faults = () => accessibilityFaults(page, '.distil');
  const step = (name: string) => panel.getByRole('listitem').filter({ hasText: name });

  await test.step('says its teacher and its cost before', async () => {
    await bench.openData(join(cache!, 'sample'));
    await expect(panel).toContainText('No trained teacher knows these 3 classes: tf_efficientnet_lite0');
    await expect(panel).toContainText('It starts from its ImageNet weights');
    await expect(panel).toContainText(/On the disk.*checkpoints, .* free/s);
    expect(await faults()).toEqual([]);
    await bench.look('distil-offer', SMALL);
  });

  await test.step('is stopped while its teacher trains, and goes on', async () => {
    await panel.getByLabel('Epochs of the teacher').fill('1');
    await panel.getByLabel('Epochs of the student').fill('1');
    await panel.getByLabel('Epochs of the student').blur();
    await panel.getByRole('button', { name: 'Start distilling' }).click();
    await expect(step('Train the teacher')).toContainText('now');
    await expect(panel.getByRole('button', { name: 'Show the run' })).toBeVisible();
    expect(await faults()).toEqual([]);
    await bench.look('distil-teacher', SMALL);
    await panel.getByRole('button', { name: 'Stop distilling' }).click();
    await panel.getByRole('button', { name: 'Go on distilling' }).click();
  });

  await test.step('ends with a student', async () => {
    await expect(panel).toContainText('Done: the student is trained.');
    await expect(panel.getByRole('progressbar', { name: 'Progress of the distillation' })).toHaveAttribute(
      'value',
      '1',
    );
    expect(await faults()).toEqual([]);
    await bench.look('distil-done', SMALL);
    await panel.getByRole('button', { name: 'Show the run' }).click();
    await bench.reaches('Finished');
    await expect(bench.main).toContainText('tf_efficientnet_lite0');
  });

  await test.step('offers the teacher that it has made', async () => {
    await bench.go('Data');
    await panel.getByRole('button', { name: 'Distil again' }).click();
    await expect(panel).toContainText(/tf_efficientnet_lite0 of the run .* knows all 3 classes/);
    await panel.getByLabel('Train a new teacher all the same').check();
    await expect(panel).toContainText('No trained teacher knows');
  });
});
