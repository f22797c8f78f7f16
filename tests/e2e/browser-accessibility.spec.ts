import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench, type View } from './workbench.ts';

const VIEWS: View[] = ['Data', 'Recipe', 'Train', 'Checkpoints', 'Evaluate', 'Export', 'Engine', 'Weights', 'Studies'];

test('no view has a serious accessibility fault, in any theme and language', async ({ app, home, page }) => {
  await new Workbench(app).openData(makeTinyData(join(home, 'images')));
  await expect(page.getByRole('heading', { name: '3 classes' })).toBeVisible();
  for (const [theme, language, colorScheme] of [
    ['light', 'en', null],
    ['dark', 'zh-CN', null],
    ['contrast', 'en', 'light'],
    ['contrast', 'zh-CN', 'dark'],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.getByRole('banner').getByRole('combobox').first().selectOption(theme);
    await page.getByRole('banner').getByRole('combobox').last().selectOption(language);
    await expect(page.locator('html')).toHaveAttribute('lang', language);
    for (const view of VIEWS) {
      await page.getByRole('navigation').locator(`a[href="#/${view.toLowerCase()}"]`).click();
      await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toBeVisible();
      expect(await accessibilityFaults(page), [view, theme, colorScheme].join(' ')).toEqual([]);
    }
  }
});

test('the keyboard alone chooses a folder and walks the views', async ({ home, page }) => {
  const data = makeTinyData(join(home, 'images'));
  await page.getByRole('button', { name: 'Choose folder…' }).press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Choose a folder' });
  await expect(dialog.getByRole('listbox')).toBeFocused();
  await dialog.getByRole('textbox', { name: 'Path' }).fill(data);
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('option', { name: 'train' })).toBeVisible();
  await dialog.getByRole('listbox').focus();
  await page.keyboard.press('v');
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('textbox', { name: 'Path' })).toHaveValue(join(data, 'val'));
  await dialog.getByRole('listbox').press('Backspace');
  await expect(dialog.getByRole('textbox', { name: 'Path' })).toHaveValue(data);
  await dialog.getByRole('button', { name: 'Choose this folder' }).press('Enter');
  await expect(page.getByRole('heading', { name: '3 classes' })).toBeVisible();
  for (const [index, view] of VIEWS.entries()) {
    await page.keyboard.press(`Alt+${index + 1}`);
    await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toContainText(view);
  }
  await page.keyboard.press('Alt+1');
  await page.getByRole('button', { name: 'Choose folder…' }).press('Enter');
  await expect(dialog).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('button', { name: 'Choose folder…' })).toBeFocused();
});
