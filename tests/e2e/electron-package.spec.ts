import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, openElectron, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TREE = join(ROOT, 'release/linux-unpacked');

/** What a person would install, made as `npm run package -- --dir` makes it. */
test('the packaged app opens, its service answers and checks images, and it quits', async ({ home }) => {
  await test.step('it is packaged', async () => {
    const made = spawn(process.execPath, [join(ROOT, 'src-main/setup/package.mjs'), '--dir'], { cwd: ROOT });
    let said = '';
    for (const stream of [made.stdout, made.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
    const code = await new Promise((resolve) => made.on('close', resolve));
    expect(code, said).toBe(0);
    if (!process.env.STILLHOUSE_NODE) return;
    expect(said).toContain('It is for trying out.');
  });

  await test.step('the window is in the archive, and what a stock Node or a library loads is beside it', () => {
    const archive = join(TREE, 'resources/app.asar');
    const inside = filesOf(archive);
    expect(inside).toEqual(expect.arrayContaining(['/dist/renderer/index.html', '/dist/main/electron.cjs']));
    const beside = (path: string) => existsSync(join(`${archive}.unpacked`, path));
    const loaded = [
      'dist/main/service.process.mjs',
      'dist/main/job.process.mjs',
      'dist/main/decode.worker.mjs',
      'node_modules/koffi',
    ];
    expect(loaded.filter((path) => !beside(path))).toEqual([]);
    const runtimes = readdirSync(join(`${archive}.unpacked`, 'node_modules/onnxruntime-node/bin/napi-v6'));
    expect(runtimes).toEqual(['linux']);
    // The engine is not in an installer.
    expect(inside.filter((path) => /libtensorflow.*\.(so|dll|dylib)|\.whl$/.test(path))).toEqual([]);
  });

  await test.step('it starts, and works from there alone', async () => {
    const env = { ...process.env, STILLHOUSE_HOME: home } as Record<string, string>;
    const app = await openElectron(env, join(TREE, 'stillhouse'));
    const { page } = app;
    const bench = new Workbench(app);
    const failures: string[] = [];
    page.on('pageerror', (error) => failures.push(error.message));
    expect(await app.electron!.evaluate(({ app }) => [app.isPackaged, app.getAppPath()])).toEqual([
      true,
      join(TREE, 'resources/app.asar'),
    ]);
    await expect(page.getByText(/^TensorFlow .* ready$/)).toBeVisible();
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    await bench.go('Engine');
    await expect(bench.main.getByText(version, { exact: false }).first()).toBeVisible();
    await bench.openData(makeTinyData(join(home, 'images')));
    await bench.main.getByRole('heading', { name: '3 classes' }).waitFor();
    await bench.main.getByRole('button', { name: 'Check all images' }).click();
    await expect(bench.main.getByText(/^66 images checked, 0 unusable/)).toBeVisible();
    const ended = new Promise((resolve) => app.electron!.process().on('exit', resolve));
    await app.close();
    expect(await ended).toBe(0);
    expect(failures).toEqual([]);
  });
});

interface Entry {
  files?: Record<string, Entry>;
}

/** Paths in an asar archive: its header is JSON, with its length in front. */
function filesOf(archive: string): string[] {
  const bytes = readFileSync(archive);
  const header = JSON.parse(bytes.toString('utf8', 16, 16 + bytes.readUInt32LE(12))) as Entry;
  const walk = (entry: Entry, path: string): string[] =>
    Object.entries(entry.files ?? {}).flatMap(([name, child]) => [
      `${path}/${name}`,
      ...walk(child, `${path}/${name}`),
    ]);
  return walk(header, '');
}
