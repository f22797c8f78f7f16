import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureEngine } from './engine.mjs';
import { ROOT, SetupError, USER_CACHE, ensureBuild, ensurePackages, requireNode, runMain, runNode } from './steps.mjs';

/** `npm run bench -- NAME [arguments]`: bundles tests/bench/NAME.ts and runs it with this Node. */
const OUTPUT = join(ROOT, 'node_modules/.cache/bench');
/** Those that train or answer something. */
const ON_THE_ENGINE = [
  'compile',
  'export',
  'fuzz-images',
  'gpu-pack',
  'kill',
  'leak',
  'loader',
  'memory',
  'ranks',
  'reference',
  'slurm',
  'soak',
  'step',
  'teach',
  'weights',
];

await runMain(async () => {
  const [name, ...rest] = process.argv.slice(2);
  const entry = join(ROOT, 'tests/bench', `${name}.ts`);
  if (!name || !/^[\w-]+$/.test(name) || !existsSync(entry)) throw new SetupError(usage());
  requireNode();
  await ensurePackages();
  if (ON_THE_ENGINE.includes(name) && !existsSync(join(USER_CACHE, 'engine'))) {
    await ensureBuild();
    if (!(await ensureEngine())) throw new SetupError('This measures on the engine, which is not ready.');
  }
  const { build } = await import('vite');
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'warn',
    build: {
      ssr: entry,
      outDir: OUTPUT,
      emptyOutDir: false,
      target: 'node20',
      sourcemap: true,
      rolldownOptions: { output: { entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' } },
    },
  });
  process.exitCode = await runNode(['--enable-source-maps', join(OUTPUT, `${name}.mjs`), ...rest]);
});

function usage() {
  const folder = join(ROOT, 'tests/bench');
  const names = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.ts')) : [];
  return `Usage: npm run bench -- NAME [arguments]\nNAME: ${names.map((file) => file.slice(0, -3)).join(', ')}`;
}
