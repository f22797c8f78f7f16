import { join } from 'node:path';
import type { ElectronApplication } from 'playwright/test';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, startAgain, test } from './fixtures.ts';
import { Workbench, lastState, newestRun, runFolders } from './workbench.ts';

/** What the app has shown outside of its window. */
interface Seen {
  notes: { title: string; body: string }[];
  tip: string;
  menu: { id: string; label: string; enabled: boolean }[];
  /** Trays on the screen. */
  trays: number;
  progress: number;
  mode: string;
  /** Blockers of sleep that hold. */
  awake: number;
}

/** Takes the place of what a machine without a desktop lacks: notes what would be seen, and lets clicks be made. */
async function watchDesktop(electron: ElectronApplication, notifications = true): Promise<() => Promise<Seen>> {
  await electron.evaluate(({ Tray, Notification, BrowserWindow, powerSaveBlocker }, supported) => {
    const seen: Seen = { notes: [], tip: '', menu: [], trays: 0, progress: -1, mode: '', awake: 0 };
    const holds = new Set<number>();
    const trays = new Set<object>();
    const all = globalThis as { seen?: Seen; note?: NodeJS.EventEmitter; trayMenu?: Electron.Menu };
    all.seen = seen;
    Notification.isSupported = () => supported;
    Notification.prototype.show = function (this: Electron.Notification) {
      seen.notes.push({ title: this.title, body: this.body });
      all.note = this;
    };
    Tray.prototype.setToolTip = function (this: object, text: string) {
      seen.trays = trays.add(this).size;
      seen.tip = text;
    };
    Tray.prototype.setContextMenu = (menu) => {
      all.trayMenu = menu ?? undefined;
      seen.menu = (menu?.items ?? []).map(({ id, label, enabled }) => ({ id, label, enabled }));
    };
    const { destroy } = Tray.prototype;
    Tray.prototype.destroy = function (this: Electron.Tray) {
      trays.delete(this);
      seen.trays = trays.size;
      destroy.call(this);
    };
    BrowserWindow.prototype.setProgressBar = (part, options) =>
      void Object.assign(seen, { progress: part, mode: options?.mode });
    powerSaveBlocker.start = () => {
      holds.add(holds.size + 1);
      return (seen.awake = holds.size);
    };
    powerSaveBlocker.stop = (id) => {
      holds.delete(id);
      seen.awake = holds.size;
      return true;
    };
    BrowserWindow.getFocusedWindow = () => null;
  }, notifications);
  return () => electron.evaluate(() => (globalThis as { seen?: Seen }).seen!);
}

/** Clicks a line of the tray's menu. */
const choose = (electron: ElectronApplication, id: string): Promise<void> =>
  electron.evaluate((_electron, line) => {
    (globalThis as { trayMenu?: Electron.Menu }).trayMenu!.getMenuItemById(line)!.click();
  }, id);

const isVisible = (electron: ElectronApplication): Promise<boolean> =>
  electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().some((window) => window.isVisible()));

/** Answers the question of quitting with one of its buttons; tells how it was put. */
async function answerQuit(electron: ElectronApplication, button: number): Promise<() => Promise<string[]>> {
  await electron.evaluate(({ dialog }, response) => {
    const asked: string[] = [];
    (globalThis as { asked?: string[] }).asked = asked;
    dialog.showMessageBox = (...parts: unknown[]) => {
      asked.push(...(parts[parts.length - 1] as { buttons: string[] }).buttons);
      return Promise.resolve({ response, checkboxChecked: false });
    };
  }, button);
  return () => electron.evaluate(() => (globalThis as { asked?: string[] }).asked ?? []);
}

test('a training is seen and led from the tray, in the language of the window', async ({ app, home }) => {
  const electron = app.electron!;
  const bench = new Workbench(app);
  const seen = await watchDesktop(electron);
  await bench.startLong(makeTinyData(join(home, 'images')));
  await expect.poll(async () => (await seen()).tip).toMatch(/: Epoch \d+\/100000, 0 %, .* left$/);
  expect(await seen()).toMatchObject({ trays: 1, awake: 1, mode: 'normal', notes: [] });
  expect((await seen()).progress).toBeGreaterThan(0);

  await choose(electron, 'pause');
  await expect.poll(async () => (await seen()).awake).toBe(0);
  await expect.poll(() => lastState(newestRun(home))).toBe('paused');
  expect((await seen()).mode).toBe('paused');
  await bench.page.getByRole('combobox', { name: 'Language' }).selectOption('zh-CN');
  await expect.poll(async () => (await seen()).menu.map(({ label }) => label)).toContain('继续');
  expect((await seen()).tip).toContain('已暂停');
  await choose(electron, 'continue');
  await expect.poll(async () => (await seen()).awake).toBe(1);
  await bench.page.getByRole('combobox', { name: '语言' }).selectOption('en');

  await choose(electron, 'stop');
  await bench.reaches('Stopped');
  await expect.poll(seen).toMatchObject({ trays: 0, progress: -1, awake: 0 });
  // The person did it: there is no news.
  expect((await seen()).notes).toEqual([]);
});

test('the end of a run is told, and a click shows the run', async ({ app, home }) => {
  const electron = app.electron!;
  const bench = new Workbench(app);
  const seen = await watchDesktop(electron);
  await bench.openData(makeTinyData(join(home, 'images')));
  await bench.main.getByRole('heading', { name: /classes$/ }).waitFor();
  await bench.startTiny(1);
  await bench.reaches('Finished');
  const name = newestRun(home).split('/').pop()!;
  await expect.poll(async () => (await seen()).notes).toEqual([{ title: 'Run finished', body: name }]);
  await bench.go('Data');
  await electron.evaluate(({ BrowserWindow }) => {
    BrowserWindow.getAllWindows()[0].hide();
    (globalThis as { note?: NodeJS.EventEmitter }).note!.emit('click');
  });
  await expect(bench.main.getByRole('heading', { level: 1 })).toContainText(name);
  expect(await isVisible(electron)).toBe(true);
});

test('quitting while a run trains leaves all as it is, or goes on in the background until the session ends', async ({
  app,
  home,
}) => {
  const electron = app.electron!;
  const bench = new Workbench(app);
  const seen = await watchDesktop(electron);
  await bench.startLong(makeTinyData(join(home, 'images')));
  const left = await answerQuit(electron, 2);
  await electron.evaluate(({ app: main }) => main.quit());
  await expect.poll(left).toEqual(['Save, stop and quit', 'Keep training in the background', 'Cancel']);
  expect(await isVisible(electron)).toBe(true);

  const kept = await answerQuit(electron, 1);
  await electron.evaluate(({ app: main }) => main.quit());
  await expect.poll(kept).toHaveLength(3);
  await expect.poll(() => isVisible(electron)).toBe(false);
  expect(await seen()).toMatchObject({ trays: 1, notes: [{ title: 'Training goes on' }] });
  expect(lastState(newestRun(home))).toBe('running');
  await startAgain(home);
  await expect.poll(() => isVisible(electron)).toBe(true);
  await bench.advances(await bench.steps());

  // What trains then is saved.
  const ended = electron.waitForEvent('close', { timeout: 0 });
  await electron.evaluate(
    ({ BrowserWindow }) =>
      void setTimeout(() => (BrowserWindow.getAllWindows()[0] as NodeJS.EventEmitter).emit('session-end')),
  );
  await ended;
  expect(lastState(newestRun(home))).toBe('stopped');
});

test('the queue goes on without a window, and the app ends after its last run', async ({ app, home }) => {
  const electron = app.electron!;
  const bench = new Workbench(app);
  const runs = (): string[] => runFolders(home);
  await watchDesktop(electron, false);
  await bench.openData(makeTinyData(join(home, 'images')));
  await bench.main.getByRole('heading', { name: /classes$/ }).waitFor();
  await bench.page.keyboard.press('Alt+u');
  const dialog = bench.page.getByRole('dialog', { name: 'Queue' });
  await dialog.getByRole('button', { name: 'Pause queue' }).click();
  await bench.page.keyboard.press('Escape');
  await bench.go('Recipe');
  await bench.narrowRecipe(1);
  for (const count of [1, 2]) {
    await bench.main.getByRole('button', { name: 'Add to queue' }).click();
    await expect(bench.page.getByRole('button', { name: `${count} waiting` })).toBeVisible();
  }
  await bench.page.keyboard.press('Alt+u');
  const ended = electron.waitForEvent('close', { timeout: 0 });
  await dialog.getByRole('button', { name: 'Continue queue' }).click();
  await expect.poll(() => runs()).toHaveLength(1);
  const [first] = runs();
  await bench.page.close();
  expect(lastState(first)).not.toBe('finished');
  await ended;
  expect(runs().map(lastState)).toEqual(['finished', 'finished']);
});
