import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ElectronApplication, Page } from 'playwright/test';
import type { Host } from '../../src-main/protocol/host.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, startAgain, test } from './fixtures.ts';
import { Workbench, lastState, newestRun, settle } from './workbench.ts';

const PRELOAD = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist/preload/preload.cjs');

const windows = (electron: ElectronApplication): Promise<number> =>
  electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length);

/** Answers every question of the app with one of its buttons, and counts them. */
async function answerQuestions(electron: ElectronApplication, button: number): Promise<() => Promise<string[]>> {
  await electron.evaluate(({ dialog }, response) => {
    const asked: string[] = [];
    (globalThis as { asked?: string[] }).asked = asked;
    dialog.showMessageBox = (...parts: unknown[]) => {
      asked.push((parts[parts.length - 1] as { message: string }).message);
      return Promise.resolve({ response, checkboxChecked: false });
    };
  }, button);
  return () => electron.evaluate(() => (globalThis as { asked?: string[] }).asked ?? []);
}

test('a page from elsewhere is not answered, even with our preload script', async ({ app }) => {
  const foreign = app.electron!.waitForEvent('window', { timeout: 0 });
  await app.electron!.evaluate(({ BrowserWindow }, preload) => {
    const webPreferences = { preload, sandbox: true, contextIsolation: true };
    const window = new BrowserWindow({ show: false, webPreferences });
    void window.loadURL('data:text/html,<title>elsewhere</title>');
  }, PRELOAD);
  const page: Page = await foreign;
  await page.waitForLoadState();
  expect(await page.title()).toBe('elsewhere');
  const refused = await page.evaluate(async () => {
    const { stillhouse } = window as unknown as { stillhouse: Host };
    const calls = [
      stillhouse.pickFolder(),
      stillhouse.pickFile(['pth']),
      stillhouse.saveFile('x'),
      stillhouse.showFile('/etc/passwd'),
    ];
    const ends = await Promise.all(
      calls.map((call) =>
        call.then(
          () => 'answered',
          (error: Error) => error.message,
        ),
      ),
    );
    return ends.filter((end) => end.includes('refused')).length;
  });
  expect(refused).toBe(4);
  await page.evaluate(() => {
    const { stillhouse } = window as unknown as { stillhouse: Host };
    const heard: unknown[] = [];
    Object.assign(window, { heard });
    stillhouse.onMessage((message) => heard.push(message));
    stillhouse.post({ id: 1, call: 'system.info', params: {} });
  });
  await settle(page, app.electron);
  expect(await page.evaluate(() => (window as unknown as { heard: unknown[] }).heard)).toEqual([]);
});

test('a second start shows the window that is there, and says so', async ({ app, home }) => {
  await app.electron!.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].hide());
  const { code, said } = await startAgain(home);
  expect(code).toBe(0);
  expect(said).toContain('Stillhouse is already open.');
  expect(await windows(app.electron!)).toBe(1);
  await expect
    .poll(() => app.electron!.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].isVisible()))
    .toBe(true);
});

test('the window comes back where it was', async ({ launch }) => {
  const first = await launch();
  const wanted = { x: 40, y: 30, width: 1000, height: 700 };
  await first.electron!.evaluate(
    ({ BrowserWindow }, bounds) => BrowserWindow.getAllWindows()[0].setBounds(bounds),
    wanted,
  );
  await first.close();
  const second = await launch();
  const bounds = await second.electron!.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].getBounds());
  expect(bounds).toEqual(wanted);
});

test('the menu goes to each view', async ({ app, page }) => {
  await page.getByRole('navigation').waitFor();
  for (const view of ['recipe', 'train', 'checkpoints', 'evaluate', 'export', 'engine', 'weights', 'data']) {
    await app.electron!.evaluate(({ Menu, BrowserWindow }, id) => {
      const item = Menu.getApplicationMenu()!.getMenuItemById(id)!;
      item.click(undefined, BrowserWindow.getAllWindows()[0]);
    }, `go-${view}`);
    await expect.poll(() => page.evaluate(() => location.hash)).toBe(`#/${view}`);
  }
});

test('the menu follows the command table, in the language and with the keys of the window', async ({ app, page }) => {
  const bar = (): Promise<string[]> =>
    app.electron!.evaluate(({ Menu }) => Menu.getApplicationMenu()!.items.map(({ label }) => label));
  const item = (id: string): Promise<{ label: string; accelerator: string; enabled: boolean }> =>
    app.electron!.evaluate(({ Menu }, wanted) => {
      const { label, accelerator, enabled } = Menu.getApplicationMenu()!.getMenuItemById(wanted)!;
      return { label, accelerator: String(accelerator ?? ''), enabled };
    }, id);
  await expect.poll(bar).toEqual(['File', 'Edit', 'Training', 'Go', 'View', 'Window', 'Help']);
  expect(await item('palette')).toEqual({ label: 'Command palette…', accelerator: 'CmdOrCtrl+K', enabled: true });
  expect(await item('stop')).toEqual({ label: 'Stop training', accelerator: 'Alt+S', enabled: false });

  await page.getByRole('combobox', { name: 'Language' }).selectOption('zh-CN');
  await expect.poll(bar).toEqual(['文件', '编辑', '训练', '转到', '视图', '窗口', '帮助']);
  expect((await item('go-recipe')).label).toBe('转到“配方”');

  await page.keyboard.press('Control+2');
  await expect.poll(() => page.evaluate(() => location.hash)).toBe('#/recipe');
  await page.getByRole('button', { name: '偏好设置' }).click();
  await page.getByRole('dialog').getByText('快捷键', { exact: true }).click();
  await page.getByRole('button', { name: /^“停止训练”的键/ }).press('Enter');
  await page.keyboard.press('Control+Shift+S');
  await expect.poll(async () => (await item('stop')).accelerator).toBe('CmdOrCtrl+Shift+S');
});

test('a menu that is none is not taken', async ({ app, page }) => {
  await page.getByRole('navigation').waitFor();
  const bar = (): Promise<string[]> =>
    app.electron!.evaluate(({ Menu }) => Menu.getApplicationMenu()!.items.map(({ label }) => label));
  await expect.poll(bar).toHaveLength(7);
  await page.evaluate(() => {
    const { stillhouse } = window as unknown as { stillhouse: { setMenu(parts: unknown): void } };
    stillhouse.setMenu('menu');
    stillhouse.setMenu([]);
    stillhouse.setMenu([{ label: 'x', items: 'none' }]);
    stillhouse.setMenu([
      {
        label: 'Mine',
        items: [
          { kind: 'role', role: 'forceReload', label: 'x' },
          { kind: 'role', role: 'copy', label: 'Copy' },
        ],
      },
    ]);
  });
  // The last is a menu; of it only what is no known role is left out.
  await expect.poll(bar).toEqual(['Mine']);
  expect(await app.electron!.evaluate(({ Menu }) => Menu.getApplicationMenu()!.items[0].submenu!.items.length)).toBe(1);
});

test('the native folder dialog chooses the data', async ({ app, page, home }) => {
  const data = makeTinyData(join(home, 'images'), { train: 2, val: 1 });
  await app.electron!.evaluate(({ dialog }, path) => {
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [path] });
  }, data);
  await page.getByRole('button', { name: 'Choose folder…' }).click();
  await expect(page.getByRole('heading', { name: '3 classes' })).toBeVisible();
});

test.describe('while a run trains', () => {
  test('quitting asks first, and a page that dies is offered anew; training goes on through both', async ({
    app,
    home,
  }) => {
    const bench = new Workbench(app);
    await bench.startLong(makeTinyData(join(home, 'images')));
    const askedToQuit = await answerQuestions(app.electron!, 2);
    await app.electron!.evaluate(({ app: main }) => main.quit());
    await expect.poll(askedToQuit).toEqual(['A run is training.']);
    const steps = await bench.steps();
    await bench.advances(steps);

    const asked = await answerQuestions(app.electron!, 0);
    const page = await app.electron!.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].webContents.getOSProcessId(),
    );
    const next = app.electron!.evaluate(
      ({ BrowserWindow }) =>
        new Promise<void>((resolve) =>
          BrowserWindow.getAllWindows()[0].webContents.once('did-finish-load', () => resolve()),
        ),
    );
    process.kill(page, 'SIGKILL');
    await expect.poll(asked).toEqual(['The window stopped working.']);
    await next;
    const text = () =>
      app.electron!.evaluate(({ BrowserWindow }) =>
        BrowserWindow.getAllWindows()[0].webContents.executeJavaScript('document.body.innerText'),
      );
    await expect.poll(text).toContain('Running');
    await app.close();
    expect(lastState(newestRun(home))).toBe('stopped');
  });

  test('a service that dies is told, its run is saved, and a reload starts another', async ({ app, home }) => {
    const bench = new Workbench(app);
    await bench.startLong(makeTinyData(join(home, 'images')));
    process.kill(serviceOf(app.pid), 'SIGKILL');
    await expect(bench.page.getByText('The connection to the service was lost.')).toBeVisible();
    await expect.poll(() => lastState(newestRun(home))).toBe('stopped');
    await bench.page.getByRole('button', { name: 'Reload' }).click();
    await bench.go('Train');
    await bench.reaches('Stopped');
    expect(existsSync(join(newestRun(home), 'lock'))).toBe(false);
  });
});

/** The service process under Electron's main process. */
function serviceOf(main: number): number {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const found = lines.find(
    (line) => line.includes('service.process.mjs') && Number(line.trim().split(/\s+/)[1]) === main,
  );
  return Number(found?.trim().split(/\s+/)[0]);
}
