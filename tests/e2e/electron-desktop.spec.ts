import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ElectronApplication, Page } from 'playwright/test';
import type { Host } from '../../src-main/protocol/host.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, startAgain, test } from './fixtures.ts';
import { Workbench, lastState, newestRun } from './workbench.ts';

const PRELOAD = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist/preload/preload.cjs');

declare global {
  interface Window {
    /** What the test's own script leaves behind. */
    noted?: unknown;
  }
}

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

test.describe('a page in the window', () => {
  test('has no Node, and one frozen object from outside', async ({ page }) => {
    expect(await page.evaluate(() => [typeof require, typeof process, typeof Buffer, typeof module])).toEqual(
      Array(4).fill('undefined'),
    );
    expect(await page.evaluate(() => Object.isFrozen((window as unknown as { stillhouse: object }).stillhouse))).toBe(
      true,
    );
    const names = await page.evaluate(() =>
      Object.keys((window as unknown as { stillhouse: object }).stillhouse).sort(),
    );
    expect(names).toEqual(
      [
        'onClose',
        'onMenu',
        'onMessage',
        'onOpen',
        'pathOf',
        'pickFile',
        'pickFolder',
        'imageUrl',
        'post',
        'saveFile',
        'setMenu',
        'shell',
        'showFile',
        'tellSettings',
      ].sort(),
    );
  });

  test('is sandboxed and isolated', async ({ app }) => {
    const preferences = await app.electron!.evaluate(({ BrowserWindow }) => {
      const [window] = BrowserWindow.getAllWindows();
      return (
        window.webContents as unknown as { getLastWebPreferences(): Record<string, unknown> }
      ).getLastWebPreferences();
    });
    expect(preferences).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
    });
    for (const option of ['allowRunningInsecureContent', 'experimentalFeatures', 'enableBlinkFeatures'])
      expect(preferences[option] ?? false).toBeFalsy();
  });

  test('runs no script but its own', async ({ page }) => {
    const { headers } = await page.evaluate(async () => {
      const response = await fetch('/index.html');
      return { headers: Object.fromEntries(response.headers.entries()) };
    });
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(headers['content-security-policy']).not.toContain('unsafe');
    const blocked = await page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'window.noted = true';
          document.body.append(script);
        }),
    );
    expect(blocked).toMatch(/^script-src/);
    expect(await page.evaluate(() => window.noted)).toBeUndefined();
    // A timer with a text is eval by another name, and no test tool exempts it.
    await page.evaluate(() => void setTimeout('window.noted = true' as unknown as () => void, 0));
    await page.waitForTimeout(200);
    expect(await page.evaluate(() => window.noted)).toBeUndefined();
  });

  test('stays where it is and opens nothing', async ({ app, page }) => {
    const address = page.url();
    await page.evaluate(() => void (location.href = 'https://example.com/'));
    await page.evaluate(() => void (location.href = 'file:///etc/passwd'));
    await page.evaluate(() => {
      setTimeout(() => (window.noted = window.open('https://example.com/') === null));
    });
    await page.evaluate(() => document.body.append(document.createElement('webview')));
    await page.waitForTimeout(500);
    expect(page.url()).toBe(address);
    expect(await page.evaluate(() => window.noted)).toBe(true);
    expect(await windows(app.electron!)).toBe(1);
    const contents = await app.electron!.evaluate(({ webContents }) => webContents.getAllWebContents().length);
    expect(contents).toBe(1);
  });

  test('gets no permission', async ({ page }) => {
    expect(await page.evaluate(() => Notification.requestPermission())).toBe('denied');
    const camera = await page.evaluate(() =>
      navigator.mediaDevices.getUserMedia({ video: true }).then(
        () => 'given',
        (error: Error) => error.name,
      ),
    );
    expect(camera).toMatch(/NotAllowedError|NotFoundError/);
  });

  test('asks only for app:// and thumb://', async ({ app, page, home }) => {
    await app.electron!.evaluate(({ session }) => {
      const asked: string[] = [];
      (globalThis as { asked?: string[] }).asked = asked;
      session.defaultSession.webRequest.onBeforeRequest((details, done) => {
        asked.push(details.url);
        done({});
      });
    });
    await page.reload();
    const bench = new Workbench(app);
    await bench.openData(makeTinyData(join(home, 'images'), { train: 4, val: 2 }));
    await expect(bench.main.getByRole('option').first().locator('img')).toBeVisible();
    for (const view of ['Recipe', 'Train', 'Checkpoints', 'Export', 'Engine'] as const) await bench.go(view);
    const asked = await app.electron!.evaluate(() => (globalThis as { asked?: string[] }).asked ?? []);
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((url) => !/^(app|thumb):\/\//.test(url))).toEqual([]);
  });

  test('reads no file by address', async ({ page }) => {
    const status = (address: string): Promise<number | string> =>
      page.evaluate(
        (url) =>
          fetch(url).then(
            (answer) => answer.status,
            () => 'refused',
          ),
        address,
      );
    expect(await status('/%2e%2e/%2e%2e/package.json')).toBe(404);
    expect(await status('/..%2f..%2fpackage.json')).toBe(404);
    expect(await status('app://elsewhere/index.html')).not.toBe(200);
    expect(await status('file:///etc/passwd')).toBe('refused');
    const outcome = await page.evaluate(
      (address) =>
        new Promise<string>((resolve) => {
          const image = new Image();
          image.onload = () => resolve('shown');
          image.onerror = () => resolve('nothing');
          image.src = address;
        }),
      'thumb://image/%2Fetc%2Fpasswd',
    );
    expect(outcome).toBe('nothing');
  });
});

test('a page from elsewhere is not answered, even with our preload script', async ({ app }) => {
  const foreign = app.electron!.waitForEvent('window');
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
  const heard = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const { stillhouse } = window as unknown as { stillhouse: Host };
        stillhouse.onMessage(resolve);
        stillhouse.post({ id: 1, call: 'system.info', params: {} });
        setTimeout(() => resolve('nothing'), 1000);
      }),
  );
  expect(heard).toBe('nothing');
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
  for (const view of ['recipe', 'train', 'checkpoints', 'export', 'engine', 'data']) {
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
  test('quitting asks first, and keeps training when told to', async ({ app, home }) => {
    const bench = new Workbench(app);
    await bench.startLong(makeTinyData(join(home, 'images')));
    const asked = await answerQuestions(app.electron!, 2);
    await app.electron!.evaluate(({ app: main }) => main.quit());
    await expect.poll(asked).toEqual(['A run is training.']);
    const steps = await bench.steps();
    await bench.advances(steps);
    await app.close();
    expect(lastState(newestRun(home))).toBe('stopped');
  });

  test('a page that dies is offered anew, and training goes on', async ({ app, home }) => {
    const bench = new Workbench(app);
    await bench.startLong(makeTinyData(join(home, 'images')));
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
    const text = await app.electron!.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].webContents.executeJavaScript(
        "new Promise((resolve) => { const look = () => /Running/.test(document.body.innerText) ? resolve('Running') : setTimeout(look, 100); look(); })",
      ),
    );
    expect(text).toBe('Running');
  });

  test('a service that dies is told, its run is saved, and a reload starts another', async ({ app, home }) => {
    const bench = new Workbench(app);
    await bench.startLong(makeTinyData(join(home, 'images')));
    process.kill(serviceOf(app.pid), 'SIGKILL');
    await expect(bench.page.getByText('The connection to the service was lost.')).toBeVisible();
    await expect.poll(() => lastState(newestRun(home)), { timeout: 60_000 }).toBe('stopped');
    await bench.page.getByRole('button', { name: 'Reload' }).click();
    await bench.go('Train');
    await bench.reaches('Stopped');
    expect(existsSync(join(newestRun(home), 'lock'))).toBe(false);
  });
});

/** The service process under Electron's main process. */
function serviceOf(main: number): number {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const found = lines.find((line) => line.includes('service.mjs') && Number(line.trim().split(/\s+/)[1]) === main);
  return Number(found?.trim().split(/\s+/)[0]);
}
