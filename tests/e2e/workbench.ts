import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ElectronApplication, Page } from 'playwright/test';
import type { App } from './fixtures.ts';
import { expect } from './fixtures.ts';

const SCREENS = fileURLToPath(new URL('../../test-results/screens', import.meta.url));

/** Epochs that no test sees the end of. */
export const LONG = 100_000;

const NARROW = {
  model: 'test_deit_distilled_patch16_32',
  distillation_type: 'none',
  input_size: 32,
  batch_size: 8,
  warmup_epochs: 0,
  num_workers: 1,
};

export type View =
  | 'Data'
  | 'Recipe'
  | 'Train'
  | 'Checkpoints'
  | 'Evaluate'
  | 'Export'
  | 'Engine'
  | 'Weights'
  | 'Studies';

/** The app as a person uses it: by the names that are on the screen. */
export class Workbench {
  constructor(private readonly app: App) {}

  get page() {
    return this.app.page;
  }

  get main() {
    return this.page.getByRole('main');
  }

  async go(view: View): Promise<void> {
    await this.page.getByRole('navigation').getByRole('link', { name: view }).click();
    await expect(this.main.getByRole('heading', { level: 1 })).toContainText(view);
  }

  async openData(folder: string): Promise<void> {
    await this.go('Data');
    await this.main.getByLabel('Folder', { exact: true }).fill(folder);
    await this.main.getByRole('button', { name: 'Open', exact: true }).click();
  }

  async set(label: string, value: string): Promise<void> {
    await this.main.getByRole('textbox', { name: new RegExp(`^${label}`) }).fill(value);
  }

  async choose(label: string, value: string | { index: number }): Promise<void> {
    await this.main.getByRole('combobox', { name: new RegExp(`^${label}`) }).selectOption(value);
  }

  /** Fills what a tiny training needs; all other settings stay as the preset has them. */
  async tinyRecipe(epochs: number): Promise<void> {
    await this.set('Input size', '32');
    await this.set('Batch size', '8');
    await this.set('Epochs', String(epochs));
  }

  /** Takes a recipe of a network of two narrow blocks, which no list offers; without a teacher where `more` names none. */
  async narrowRecipe(epochs: number, more: Record<string, string | number> = {}): Promise<void> {
    const settings = { ...NARROW, epochs, ...more };
    const buffer = Buffer.from(JSON.stringify(settings));
    await this.page.setInputFiles('input[type=file]', { name: 'recipe.json', mimeType: 'application/json', buffer });
    await expect(this.main.getByRole('textbox', { name: /^Epochs/ })).toHaveValue(String(epochs));
  }

  /** Starts a run without a teacher that trains until it is stopped. */
  async startLong(data: string): Promise<void> {
    await this.openData(data);
    await this.main.getByRole('heading', { name: /classes$/ }).waitFor();
    await this.startTiny(LONG);
    await this.reaches('Running');
    await this.advances(0);
  }

  /** Starts a run without a teacher on the data that are open. */
  async startTiny(epochs: number): Promise<void> {
    await this.go('Recipe');
    await this.narrowRecipe(epochs);
    await this.start();
  }

  async start(): Promise<void> {
    await this.page.getByRole('button', { name: 'Start training' }).click();
    await expect(this.main.getByRole('heading', { level: 1 })).toContainText('Train');
  }

  /** Writes a report of what is open, as HTML beside it. @returns its path. */
  async report(): Promise<string> {
    await this.main.getByRole('button', { name: 'Report…' }).click();
    const sheet = this.page.getByRole('dialog', { name: /^Report of / });
    await sheet.getByRole('button', { name: 'Write' }).click();
    const path = (await sheet.getByRole('status').innerText()).replace('Written: ', '').trim();
    await this.page.keyboard.press('Escape');
    return path;
  }

  /** Waits until the open run is in a state, as the head of the page says. */
  async reaches(state: 'Running' | 'Stopped' | 'Finished' | 'Crashed'): Promise<void> {
    await expect(this.main.getByText(state, { exact: true }).first()).toBeVisible();
  }

  /** A number that the train page shows under its name. */
  async fact(name: string): Promise<string> {
    const fact = this.main.locator('dl > div').filter({ has: this.page.getByText(name, { exact: true }) });
    return (await fact.locator('dd').innerText()).trim();
  }

  /** Steps done, by the train page. */
  async steps(): Promise<number> {
    return Number((await this.fact('Step')).split('/')[0].replace(/\D/g, '')) || 0;
  }

  /** Waits until the train page shows more steps than `past`. */
  async advances(past: number): Promise<void> {
    await expect.poll(() => this.steps()).toBeGreaterThan(past);
  }

  /** Looks whether all is in sight at a size; keeps an image for people. */
  async look(name: string, size: { width: number; height: number }): Promise<void> {
    await resize(this.app, size);
    await expect.poll(() => this.page.evaluate(overflow)).toEqual([]);
    await keepScreen(this.page, `${name}-${size.width}x${size.height}`);
  }
}

/** Keeps an image of the window in test-results/screens, where `STILLHOUSE_TEST_SCREENS` asks for them. */
export async function keepScreen(page: Page, name: string): Promise<void> {
  if (process.env.STILLHOUSE_TEST_SCREENS) await page.screenshot({ path: join(SCREENS, `${name}.png`) });
}

/**
 * Lets a page, Electron's main process and this one have many turns each, one after the other: what was under way
 * between them has arrived.
 */
export async function settle(page: Page, electron?: ElectronApplication | null): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await page.evaluate(() => new Promise<void>((resolve) => void setTimeout(resolve)));
    await electron?.evaluate(() => new Promise<void>((resolve) => void setImmediate(resolve)));
  }
}

/** What is wider than the window lets one see; runs in the page. */
export function overflow(): string[] {
  // Nor may the window itself scroll: its head would leave it.
  if (document.documentElement.scrollHeight > innerHeight) return ['window'];
  const parts = [document.documentElement, ...document.querySelectorAll('main, main > *, .view-body')];
  return parts.filter((part) => part.scrollWidth > part.clientWidth + 1).map((part) => part.className || part.tagName);
}

async function resize({ page, electron }: App, size: { width: number; height: number }): Promise<void> {
  if (!electron) return page.setViewportSize(size);
  await electron.evaluate(({ BrowserWindow }, { width, height }) => {
    BrowserWindow.getAllWindows()[0].setContentSize(width, height);
  }, size);
  await page.waitForFunction(({ width, height }) => window.innerWidth === width && window.innerHeight === height, size);
}

/** Folders of all runs, the newest last. */
export function runFolders(home: string): string[] {
  const runs = join(home, 'runs');
  if (!existsSync(runs)) return [];
  return readdirSync(runs)
    .sort()
    .map((name) => join(runs, name));
}

/** Folder of the newest run. */
export function newestRun(home: string): string {
  return runFolders(home).pop()!;
}

/** Process that trains in a run folder, by its lock. */
export function jobProcessOf(run: string): number {
  return (JSON.parse(readFileSync(join(run, 'lock'), 'utf8')) as { pid: number }).pid;
}

/** The last state in a run's history; undefined before its first line. */
export function lastState(run: string): string | undefined {
  const file = join(run, 'history.jsonl');
  if (!existsSync(file)) return undefined;
  // The last line may be half written.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const rows = lines.map((line) => JSON.parse(line) as { type: string; state?: string });
  return rows.filter(({ type }) => type === 'state').at(-1)?.state;
}
