import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from './fixtures.ts';
import { settle } from './workbench.ts';

const CLI = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist/main/cli.mjs');

test('the address without its key opens nothing', async ({ page, chromium }) => {
  const stranger = await (await chromium()).newPage();
  const answer = await stranger.goto(new URL('/', page.url()).href);
  expect(answer?.status()).toBe(401);
  await expect(stranger.getByText('it carries the key')).toBeVisible();
  await stranger.close();
});

test('the key leaves the address, and no policy is broken while one looks around', async ({ page }) => {
  const wrong: string[] = [];
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(error.message));
  await page.reload();
  for (const view of ['Recipe', 'Train', 'Checkpoints', 'Evaluate', 'Export', 'Engine', 'Weights', 'Studies', 'Data'])
    await page.getByRole('navigation').getByRole('link', { name: view }).click();
  expect(page.url()).not.toContain('token');
  expect(await page.evaluate(() => document.cookie)).toBe('');
  expect(wrong).toEqual([]);
});

test('scripts that a page did not bring do not run', async ({ page }) => {
  const blocked = await page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        const script = document.createElement('script');
        script.textContent = 'window.intruded = true';
        document.body.append(script);
      }),
  );
  expect(blocked).toMatch(/^script-src/);
  expect(await page.evaluate(() => 'intruded' in window)).toBe(false);
});

test('a second server on the same port is refused in words', async ({ page, home }) => {
  const { port } = new URL(page.url());
  const { status, stderr } = spawnSync(process.execPath, [CLI, 'serve', '--port', port], {
    env: { ...process.env, STILLHOUSE_HOME: home },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain(`Port ${port} is in use.`);
});

test('a window whose server is gone says so', async ({ app }) => {
  process.kill(app.pid, 'SIGTERM');
  await expect(app.page.getByText('The connection to the service was lost.')).toBeVisible();
});

test('a browser finds the icon, and has nothing to complain of', async ({ page }) => {
  // Its browser asks for it before the page has its ticket.
  const icon = await fetch(new URL('/favicon.ico', page.url()));
  expect([icon.status, icon.headers.get('content-type')]).toEqual([200, 'image/png']);
  const said: string[] = [];
  page.on('console', (message) => message.type() === 'error' && said.push(message.text()));
  page.on('response', (response) => response.status() >= 400 && said.push(response.url()));
  await page.reload();
  await page.getByRole('navigation').waitFor();
  await page.waitForLoadState('networkidle');
  await settle(page);
  expect(said).toEqual([]);
});
