import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ENTRIES = { trainer: 'src-main/service/trainer.worker.ts', cli: 'src-main/shells/cli/cli.ts' } as const;

let built: Promise<string> | undefined;

/**
 * The Node programs as they are in the sources now, bundled as `electron.config.ts` does: `trainer.mjs` and `cli.mjs`
 * in a folder of this process's own, which goes when it ends.
 */
export function buildPrograms(): Promise<string> {
  return (built ??= bundle());
}

async function bundle(): Promise<string> {
  const folder = join(ROOT, 'node_modules', '.cache', 'test-programs', String(process.pid));
  mkdirSync(folder, { recursive: true });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const present = Object.entries(ENTRIES)
    .map(([name, path]) => [name, join(ROOT, path)])
    .filter(([, path]) => existsSync(path));
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: folder,
      target: 'node20',
      sourcemap: true,
      rolldownOptions: {
        input: Object.fromEntries(present),
        output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name]-[hash].mjs' },
      },
    },
  });
  return folder;
}
