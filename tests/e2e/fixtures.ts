import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron, chromium, test as base, type LaunchOptions, type Page } from 'playwright/test';

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
  close(): Promise<void>;
}

interface Fixtures {
  /** An empty folder for runs, removed afterwards; the cache (engine, weights, sample) is the person's own. */
  home: string;
  /** Starts the app on `home`; what is still open when the test ends is closed. */
  launch: () => Promise<App>;
}

/** Playwright's test whose `page` is the app's window, in whichever shell the project names. */
export const test = base.extend<ShellOptions & Fixtures>({
  shell: ['browser', { option: true }],
  home: async ({}, use) => {
    const home = mkdtempSync(join(tmpdir(), 'stillhouse-e2e-'));
    await use(home);
    rmSync(home, { recursive: true, force: true });
  },
  launch: async ({ shell, home, launchOptions, viewport }, use) => {
    const open: App[] = [];
    await use(async () => {
      const env = { ...process.env, STILLHOUSE_HOME: home } as Record<string, string>;
      const app = shell === 'electron' ? await openElectron(env) : await openBrowser(env, launchOptions, viewport);
      open.push(app);
      return app;
    });
    for (const app of open) await app.close();
  },
  page: async ({ launch }, use) => {
    await use((await launch()).page);
  },
});

export { expect } from 'playwright/test';

async function openElectron(env: Record<string, string>): Promise<App> {
  const executablePath = process.env.STILLHOUSE_TEST_ELECTRON;
  if (!executablePath) throw new Error('STILLHOUSE_TEST_ELECTRON names no Electron; npm test sets it');
  const app = await _electron.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', ROOT], cwd: ROOT, env });
  const page = await app.firstWindow();
  return { page, pid: app.process().pid!, close: () => app.close() };
}

async function openBrowser(
  env: Record<string, string>,
  options: LaunchOptions,
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
  const browser = await chromium.launch(options);
  const page = await browser.newPage({ viewport });
  await page.goto(url);
  return {
    page,
    pid: server.pid!,
    close: async () => {
      await browser.close();
      server.kill('SIGTERM');
      await ended;
    },
  };
}
