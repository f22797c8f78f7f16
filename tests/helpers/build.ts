import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';

/** npm runs tests and benches in the root. */
const ROOT = process.cwd();
const ENTRIES = {
  'job.process': 'src-main/job-process/job.process.ts',
  'onnx.worker': 'src-main/job-process/teacher/onnx.worker.ts',
  'decode.worker': 'src-main/job-process/images/decode.worker.ts',
  cli: 'src-main/shells/cli/cli.ts',
} as const;

type Entry = keyof typeof ENTRIES;

const built = new Map<string, Promise<string>>();

/**
 * The Node programs as they are in the sources now, bundled as `electron.config.ts` does: `job.process.mjs`,
 * `onnx.worker.mjs`, `decode.worker.mjs` and `cli.mjs`, or those that are named, in a folder of this process's own, which goes when it ends.
 */
export function buildPrograms(names = Object.keys(ENTRIES) as Entry[]): Promise<string> {
  const key = names.join('-');
  const known = built.get(key) ?? bundle(names, key);
  built.set(key, known);
  return known;
}

async function bundle(names: Entry[], key: string): Promise<string> {
  const folder = join(ROOT, 'node_modules', '.cache', 'test-programs', `${process.pid}-${key}`);
  mkdirSync(folder, { recursive: true });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const input = Object.fromEntries(names.map((name) => [name, join(ROOT, ENTRIES[name])]));
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
        input,
        output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name]-[hash].mjs' },
      },
    },
  });
  return folder;
}
