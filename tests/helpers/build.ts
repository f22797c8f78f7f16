import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** npm runs tests and benches in the root. */
const ROOT = process.cwd();
const CACHE = join(ROOT, 'node_modules', '.cache', 'test-programs');
const DAY = 24 * 3_600_000;

let built: Promise<string> | undefined;

/**
 * Returns the folder of the Node programs as they are in the sources now, bundled as `electron.config.ts` does:
 * `job.process.mjs`, `onnx.worker.mjs`, `decode.worker.mjs` and `cli.mjs`. Test files share it until a source changes.
 */
export function buildPrograms(): Promise<string> {
  return (built ??= share());
}

/** Bundles one program of the tests into a folder of this process, which is for the caller to remove. */
export async function buildProgram(entry: string): Promise<{ folder: string; program: string }> {
  const { build } = await import('vite');
  const name = basename(entry, '.ts');
  const folder = join(CACHE, `${process.pid}-${name}`);
  await build({
    ...{ root: ROOT, configFile: false, logLevel: 'error' },
    build: { ssr: join(ROOT, entry), outDir: folder, target: 'node20' },
  });
  return { folder, program: join(folder, `${name}.js`) };
}

async function share(): Promise<string> {
  const folder = join(CACHE, sourceHash());
  if (existsSync(folder)) return folder;
  const own = `${folder}.${process.pid}`;
  mkdirSync(own, { recursive: true });
  for (const name of readdirSync(CACHE)) removeOld(join(CACHE, name));
  await bundle(own);
  try {
    renameSync(own, folder);
  } catch (error) {
    // Another test file was first.
    rmSync(own, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** Hashes all that may be in a bundle. */
function sourceHash(): string {
  const hash = createHash('sha256');
  for (const file of [
    'package-lock.json',
    'tests/helpers/build.ts',
    'tests/helpers/here-program.ts',
    ...filesIn('src-main'),
    ...filesIn('resources'),
  ])
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((file) => join(file.parentPath, file.name).slice(ROOT.length + 1)).sort();
}

function removeOld(folder: string): void {
  const made = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  if (made < Date.now() - DAY) rmSync(folder, { recursive: true, force: true });
}

async function bundle(outDir: string): Promise<void> {
  const { build } = await import('vite');
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'error',
    // As in `electron.config.ts`.
    ssr: { noExternal: [/^@tensorflow\/tfjs-(core|converter)$/, /^(csv-parse|valibot|ws|yaml|yauzl)(\/|$)/] },
    build: {
      ssr: true,
      outDir,
      target: 'node20',
      rolldownOptions: {
        input: {
          'job.process': 'src-main/job-process/job.process.ts',
          'onnx.worker': 'src-main/job-process/teacher/onnx.worker.ts',
          'decode.worker': 'src-main/job-process/images/decode.worker.ts',
          'line.worker': 'src-main/job-process/ranks/line.worker.ts',
          cli: 'src-main/shells/cli/cli.ts',
          // For `jobs-here.ts` alone.
          here: 'tests/helpers/here-program.ts',
        },
        output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name]-[hash].mjs' },
      },
    },
  });
}
