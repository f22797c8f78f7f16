import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  _electron,
  chromium,
  selectors,
  test as base,
  type Browser,
  type ElectronApplication,
  type Page,
} from 'playwright/test';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface ShellOptions {
  /** Which front opens the app; one for each Playwright project. */
  shell: 'browser' | 'electron';
}

/** The running app; `page` is its window. */
export interface App {
  page: Page;
  /** The process that holds the service (browser) or Electron's main process. */
  pid: number;
  /** In Electron only. */
  electron: ElectronApplication | null;
  /** Closes the window and opens another, as a person would. The service lives on where a run is active. */
  reopen(): Promise<Page>;
  /** Ends the app; a run that is active is saved first. */
  close(): Promise<void>;
}

interface Fixtures {
  /** An empty folder for runs, removed afterwards. */
  home: string;
  /** Engine, weights and sample; null for the person's own. */
  cache: string | null;
  /** Starts the app on `home`, Electron with a path; what is still open when the test ends is closed. */
  launch: (given?: string) => Promise<App>;
  app: App;
}

interface Shared {
  /** Opens the browser that all tests of a worker share. */
  chromium: () => Promise<Browser>;
}

/** Playwright's test whose `page` is the app's window, in whichever shell the project names. */
export const test = base.extend<ShellOptions & Fixtures, Shared>({
  shell: ['browser', { option: true }],
  home: async ({}, use) => {
    const home = mkdtempSync(join(tmpdir(), 'stillhouse-e2e-'));
    await use(home);
    rmSync(home, { recursive: true, force: true });
  },
  cache: async ({}, use) => {
    await use(null);
  },
  chromium: [
    async ({ launchOptions }, use) => {
      let browser: Promise<Browser> | undefined;
      await use(() => (browser ??= chromium.launch(launchOptions)));
      await (await browser)?.close();
    },
    { scope: 'worker' },
  ],
  launch: async ({ shell, home, cache, chromium: openChromium, viewport }, use) => {
    const open = new Set<App>();
    await use(async (given) => {
      const env = { ...process.env, STILLHOUSE_HOME: home } as Record<string, string>;
      if (cache) env.STILLHOUSE_CACHE = cache;
      const app =
        shell === 'electron'
          ? await openElectron(env, undefined, given)
          : await openBrowser(env, await openChromium(), viewport);
      open.add(app);
      const { close } = app;
      app.close = async () => {
        if (open.delete(app)) await close();
      };
      return app;
    });
    for (const app of open) await app.close();
  },
  app: async ({ launch }, use) => {
    await use(await launch());
  },
  page: async ({ app }, use) => {
    await use(app.page);
  },
});

// Playwright asks elements what Chromium 83 cannot say. The source of a selector engine is the one thing that is run in
// the very world that asks.
void selectors.register('oldest-chromium', () => {
  const { prototype } = Element;
  prototype.checkVisibility ??= function (this: Element): boolean {
    const seen = (element: Element | null): boolean =>
      element === null || (getComputedStyle(element).display !== 'none' && seen(element.parentElement));
    return this.isConnected && seen(this);
  };
  return { query: () => null, queryAll: () => [] };
});

export { expect } from 'playwright/test';

const ELECTRON_ARGUMENTS = ['--no-sandbox', '--disable-gpu', ROOT];

function electronBinary(): string {
  const binary = process.env.STILLHOUSE_TEST_ELECTRON;
  if (!binary) throw new Error('STILLHOUSE_TEST_ELECTRON names no Electron; npm test sets it');
  return binary;
}

/** Starts Electron once more on the same home: what a person does whose window is gone. */
export function startAgain(home: string, ...given: string[]): Promise<{ code: number | null; said: string }> {
  const second = spawn(electronBinary(), [...ELECTRON_ARGUMENTS, ...given], {
    env: { ...process.env, STILLHOUSE_HOME: home },
  });
  let said = '';
  for (const stream of [second.stdout, second.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  return new Promise((resolve) => second.on('close', (code) => resolve({ code, said })));
}

/** Opens the desktop app, or that which is packaged at `binary`, with a path; `env` holds at least STILLHOUSE_HOME. */
export async function openElectron(env: Record<string, string>, binary?: string, given?: string): Promise<App> {
  const args = [...(binary ? ELECTRON_ARGUMENTS.slice(0, -1) : ELECTRON_ARGUMENTS), ...(given ? [given] : [])];
  const executablePath = binary ?? electronBinary();
  const electron = await _electron.launch({ executablePath, args, cwd: binary ? tmpdir() : ROOT, env, timeout: 0 });
  const main = electron.process();
  const app: App = {
    page: await electron.firstWindow({ timeout: 0 }),
    pid: main.pid!,
    electron,
    reopen: async () => {
      await app.page.close();
      const [page] = await Promise.all([
        electron.waitForEvent('window', { timeout: 0 }),
        startAgain(env.STILLHOUSE_HOME),
      ]);
      return (app.page = page);
    },
    close: async () => {
      // It may have ended by itself.
      if (main.exitCode !== null || main.signalCode !== null) return;
      await electron.evaluate(({ dialog }) => {
        const save = { response: 0, checkboxChecked: false };
        dialog.showMessageBox = () => Promise.resolve(save);
      });
      await electron.close();
    },
  };
  return app;
}

async function openBrowser(
  env: Record<string, string>,
  browser: Browser,
  viewport: { width: number; height: number } | null,
): Promise<App> {
  const server = spawn(process.execPath, [join(ROOT, 'dist/main/cli.mjs'), 'serve', '--port', '0'], { cwd: ROOT, env });
  const ended = new Promise<void>((resolve) => server.on('close', () => resolve()));
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (text: Buffer) => {
        said += text.toString();
        const address = /http:\/\/\S+token=[\w-]+/.exec(said)?.[0];
        if (address) resolve(address);
      });
    void ended.then(() => reject(new Error(`stillhouse serve ended:\n${said}`)));
  });
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  await page.goto(url);
  // The first page takes the key and moves on by itself.
  await page.waitForURL((address) => !address.search);
  const app: App = {
    page,
    pid: server.pid!,
    electron: null,
    reopen: async () => {
      await app.page.close();
      app.page = await context.newPage();
      // The key is in a cookie by now.
      await app.page.goto(new URL('/', url).href);
      return app.page;
    },
    close: async () => {
      await context.close();
      server.kill('SIGTERM');
      await ended;
    },
  };
  return app;
}
