import { join } from 'node:path';
import type { Page } from 'playwright/test';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench, keepScreen } from './workbench.ts';

/** Does a command by typing its name into the palette. */
async function command(page: Page, name: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Command, run, preset or setting' })).toBeFocused();
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeHidden();
}
/** Presses Tab until something has the focus, as a person looks for it. */
async function tabTo(page: Page, role: 'button' | 'textbox' | 'link', name: string | RegExp): Promise<void> {
  const wanted = page.getByRole(role, { name }).first();
  for (let turn = 0; turn < 80; turn++) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never reaches ${String(name)}`);
}
/** Types over what a setting of the recipe has, found by the palette. */
async function setting(page: Page, search: string, label: RegExp, value: string): Promise<void> {
  await command(page, search);
  await expect(page.getByRole('main').getByRole('textbox', { name: label })).toBeFocused();
  await page.keyboard.press('Control+a');
  await page.keyboard.type(value);
}

test('from the start to a training and its checkpoints by keys alone', async ({ app, home }) => {
  const bench = new Workbench(app);
  const { page, main } = bench;
  const data = makeTinyData(join(home, 'images'));
  await page.getByRole('navigation').waitFor();

  await test.step('the data folder', async () => {
    await page.keyboard.press('Alt+1');
    await tabTo(page, 'textbox', 'Folder');
    await page.keyboard.type(data);
    await page.keyboard.press('Enter');
    await expect(main.getByRole('heading', { name: '3 classes' })).toBeVisible();
  });

  await test.step('the recipe, each setting by its name or flag', async () => {
    await page.keyboard.press('Alt+n');
    await expect(page.getByRole('combobox', { name: 'Preset to begin from' })).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(main.getByRole('heading', { level: 1 })).toContainText('Recipe');
    await command(page, 'distillation-type');
    const distillation = main.getByRole('combobox', { name: /^Distillation/ });
    await expect(distillation).toBeFocused();
    await page.keyboard.type('None');
    await expect(distillation).toHaveValue('none');
    await setting(page, 'input size', /^Input size/, '32');
    await setting(page, 'batch-size', /^Batch size/, '8');
    await setting(page, 'epochs', /^Epochs/, '5000');
    // A setting out of sight is brought into it.
    await command(page, '--clip-grad');
    await expect(main.getByRole('textbox', { name: /gradient/i }).first()).toBeFocused();
    await command(page, 'search settings');
    await expect(main.getByRole('searchbox')).toBeFocused();
    await page.keyboard.press('Escape');
  });

  await test.step('a training starts, pauses, goes on, and stops', async () => {
    await expect(main.getByRole('button', { name: /^Start/ })).toBeEnabled();
    await page.keyboard.press('Control+Enter');
    await expect(main.getByRole('heading', { level: 1 })).toContainText('Train');
    await bench.reaches('Running');
    await bench.advances(0);
    await page.keyboard.press('Alt+c');
    await expect(page.getByText('Continue training: It is not paused.')).toBeVisible();
    await page.keyboard.press('Alt+p');
    await expect(main.getByText('Paused', { exact: true }).first()).toBeVisible();
    await page.keyboard.press('Alt+c');
    await bench.reaches('Running');
    await command(page, 'stop');
    await bench.reaches('Stopped');
  });

  await test.step('its checkpoints are reached, and one leads to an export', async () => {
    await page.keyboard.press('Alt+4');
    await expect(main.getByRole('row').filter({ hasText: '.safetensors' }).first()).toBeVisible();
    await tabTo(page, 'button', /^Export/);
    await page.keyboard.press('Enter');
    await expect(main.getByRole('heading', { level: 1 })).toContainText('Export');
  });

  await test.step('the run is found again by a part of its name', async () => {
    await page.keyboard.press('Alt+o');
    await page.keyboard.type('deit');
    await page.keyboard.press('Enter');
    await expect(main.getByRole('heading', { level: 1 })).toContainText('Train');
  });
});

test('a preset of the palette gives back the recipe that it replaced', async ({ app }) => {
  const { main, page } = new Workbench(app);
  await page.keyboard.press('Alt+2');
  await setting(page, 'epochs', /^Epochs/, '17');
  await command(page, 'DeiT defaults');
  const epochs = main.getByRole('textbox', { name: /^Epochs/ });
  await expect(epochs).toHaveValue('300');
  const notice = page.getByRole('status').filter({ hasText: 'The recipe you had written was replaced.' });
  expect(await accessibilityFaults(page)).toEqual([]);
  await keepScreen(page, 'replaced');
  await notice.getByRole('button', { name: 'Undo' }).press('Enter');
  await expect(epochs).toHaveValue('17');
  await expect(notice).toBeHidden();
});

test('the palette says why, closes, and gives the focus back', async ({ app }) => {
  const { page } = app;
  await page.getByRole('navigation').waitFor();
  const link = page.getByRole('navigation').getByRole('link', { name: 'Engine' });
  await link.focus();
  await page.keyboard.press('Control+Shift+p');
  const box = page.getByRole('combobox', { name: 'Command, run, preset or setting' });
  await expect(box).toBeFocused();
  await page.keyboard.type('stop training');
  const stop = page.getByRole('option', { name: /^Stop training/ });
  await expect(stop).toHaveAttribute('aria-disabled', 'true');
  await expect(stop).toContainText('No run trains now.');
  await page.keyboard.press('Enter');
  await expect(box).toBeFocused();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('qqqq');
  await expect(page.getByText('Nothing is called like that.')).toBeVisible();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('go to');
  const options = page.getByRole('dialog').getByRole('option');
  await expect(options.nth(0)).toHaveAttribute('aria-selected', 'true');
  await page.keyboard.press('ArrowDown');
  await expect(options.nth(1)).toHaveAttribute('aria-selected', 'true');
  const id = await options.nth(1).getAttribute('id');
  await expect(box).toHaveAttribute('aria-activedescendant', id!);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(link).toBeFocused();
  // Where text is typed, a key that types is text.
  await page.getByRole('main').getByLabel('Folder', { exact: true }).focus();
  await page.keyboard.type('?/');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.getByRole('main').getByLabel('Folder', { exact: true })).toHaveValue('?/');
});

test('a command is given another key, and has it after a new start', async ({ app }) => {
  const { page } = app;
  await page.getByRole('navigation').waitFor();
  const dialog = page.getByRole('dialog', { name: 'Preferences' });
  const keyOf = (name: string) => dialog.getByRole('button', { name: new RegExp(`^Key of ${name}`) });
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toContainText('Alt+B');
  await page.getByRole('button', { name: 'Change shortcuts…' }).press('Enter');

  await test.step('by pressing it', async () => {
    await keyOf('Switch between').press('Enter');
    await expect(keyOf('Switch between')).toHaveText('Press a key…');
    await page.keyboard.press('Escape');
    await expect(dialog).toBeVisible();
    await keyOf('Switch between').press('Enter');
    await page.keyboard.press('Control+Shift+l');
    await expect(keyOf('Switch between')).toHaveText('Ctrl+Shift+L');
  });

  await test.step('not one of the browser, nor silently one of another command', async () => {
    await keyOf('Switch between').press('Enter');
    await page.keyboard.press('Control+c');
    await expect(dialog.getByRole('alert')).toContainText('Ctrl+C is kept by');
    await keyOf('Switch the language').press('Enter');
    await page.keyboard.press('Alt+s');
    await expect(dialog.getByRole('alert')).toContainText('Alt+S belongs to “Stop training”.');
    await expect(keyOf('Switch the language')).toHaveText('Alt+L');
    await dialog.getByRole('button', { name: 'Use it here' }).press('Enter');
    await expect(keyOf('Switch the language')).toHaveText('Alt+S');
    await expect(keyOf('Stop training')).toHaveText('none');
  });

  await test.step('and it works, also after a new start', async () => {
    await page.keyboard.press('Escape');
    await expect(dialog).toBeHidden();
    await page.reload();
    await page.getByRole('navigation').waitFor();
    const before = await page.locator('html').getAttribute('data-theme');
    await page.keyboard.press('Alt+b');
    await page.keyboard.press('Control+Shift+l');
    await expect(page.locator('html')).not.toHaveAttribute('data-theme', before!);
    await page.keyboard.press('Alt+s');
    await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
    await page.keyboard.press('Alt+s');
    await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  });

  await test.step('until it is reset', async () => {
    await page.keyboard.press('Control+,');
    await dialog.getByText('Shortcuts', { exact: true }).click();
    await dialog.getByRole('button', { name: 'Stop training: back to the default' }).press('Enter');
    await expect(keyOf('Stop training')).toHaveText('Alt+S');
    await expect(keyOf('Switch the language')).toHaveText('none');
    await dialog.getByRole('button', { name: 'Reset all shortcuts' }).press('Enter');
    await expect(keyOf('Switch the language')).toHaveText('Alt+L');
    await expect(dialog.getByRole('button', { name: 'Reset all shortcuts' })).toBeDisabled();
  });
});

test('palette, preferences and shortcuts have no fault in any theme', async ({ app }) => {
  const { page } = app;
  await page.getByRole('navigation').waitFor();
  for (const [theme, language] of [
    ['light', 'en'],
    ['dark', 'zh-CN'],
    ['contrast', 'en'],
  ] as const) {
    await page.getByRole('banner').getByRole('combobox').first().selectOption(theme);
    await page.getByRole('banner').getByRole('combobox').last().selectOption(language);
    for (const scheme of ['light', 'dark'] as const) {
      if (theme !== 'contrast' && theme !== scheme) continue;
      await page.emulateMedia({ colorScheme: scheme });
      for (const [overlay, key] of [
        ['palette', 'Control+k'],
        ['preferences', 'Control+,'],
        ['shortcuts', '?'],
        ['keys', ''],
      ]) {
        if (key) {
          await page.getByRole('navigation').getByRole('link').first().focus();
          await page.keyboard.press(key);
        } else {
          await page.getByRole('navigation').getByRole('link').first().focus();
          await page.keyboard.press('?');
          await page.getByRole('dialog').getByRole('button').nth(1).press('Enter');
        }
        await expect(page.getByRole('dialog')).toBeVisible();
        await keepScreen(page, `${overlay}-${theme}-${scheme}`);
        expect(await accessibilityFaults(page, 'dialog'), `${overlay}, ${theme}`).toEqual([]);
        await page.keyboard.press('Escape');
        await expect(page.getByRole('dialog')).toBeHidden();
      }
    }
  }
});
