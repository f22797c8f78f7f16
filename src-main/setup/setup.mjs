import { ensureEngine } from './engine.mjs';
import { ensureDebianPackages, WINDOW_LIBRARIES } from './libraries.mjs';
import { ensureBuild, ensurePackages, requireNode, runMain, say } from './steps.mjs';

/** Everything that a window needs, without opening one. */
export async function setUp() {
  requireNode();
  await ensurePackages();
  await ensureBuild();
  if (!(await ensureEngine()))
    say('The engine is not ready. Stillhouse opens without it; install it from its Engine page or start again.');
}

/** System libraries of a desktop window. @returns those that are still missing. */
export function ensureWindowLibraries() {
  return ensureDebianPackages(WINDOW_LIBRARIES);
}

if (process.argv[1] === import.meta.filename)
  await runMain(async () => {
    await setUp();
    const missing = await ensureWindowLibraries();
    if (missing.length > 0) say(`For a desktop window install: ${missing.join(' ')}`);
  });
