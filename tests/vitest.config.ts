import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files take longest, then the rest: a long file that begins last leaves the other core idle. */
const ORDER = [
  /service\/(trainer|distillation|orphans|cli|export|workstation|process|teacher-training)\.test/,
  /programs\/step\.test|service\//,
  /programs\//,
];

class LongestFirst extends BaseSequencer {
  /** Sorts by `ORDER`, whatever the cache of earlier runs says. */
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => [...ORDER, /./].findIndex((row) => row.test(moduleId));
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

/** Tests of functions of their arguments: they change nothing that the next file sees, and share what is loaded. */
const PURE = ['train', 'jobs', 'cli', 'formats', 'protocol'].map((folder) => `tests/unit/${folder}/**/*.test.ts`);

/** Unit, program, parity and service tests; the end-to-end ones belong to Playwright (`tests/e2e`). */
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  cacheDir: 'node_modules/.cache/vite-tests',
  test: {
    projects: [
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
      { extends: true, test: { name: 'own', include: ['tests/**/*.test.ts'], exclude: ['tests/e2e/**', ...PURE] } },
    ],
    // Each fork that loads the engine takes over a gigabyte; the third has a core while others wait for their processes.
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // Ends a test that hangs; no test may depend on how fast the machine is.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    allowOnly: false,
    passWithNoTests: false,
  },
});
