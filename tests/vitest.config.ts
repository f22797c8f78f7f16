import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { CORES } from './helpers/cores.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Tests that load the engine as the sources do; those of the service have it of a bundle (`jobs-here.ts`). */
const ENGINE = [
  ...['tests/programs/**/*.test.ts', 'tests/parity/**/*.test.ts'],
  ...['exports', 'model', 'runtime', 'data'].map((folder) => `tests/unit/${folder}/**/*.test.ts`),
  'tests/unit/job-process/answer-key.test.ts',
];

/** Tests of the service whose jobs run in their own process, which then has the engine for all of them. */
const HERE = [
  ...['cli', 'deit-commands', 'distillation', 'evaluation', 'export', 'export-batch', 'forecast'],
  ...['graph-check', 'hub', 'preview', 'profile', 'published', 'queue', 'run-starter'],
  ...['standstill', 'study', 'teach-once', 'teacher-training', 'weights', 'workstation'],
].map((name) => `tests/service/${name}.test.ts`);

/** Files that wait for pauses of the window. */
const WAITING = ['late-answers', 'stores'].map((name) => `tests/unit/renderer/${name}.test.ts`);

/** Files that wait, most of them for processes of theirs, leave a core to one more, which runs beside them what computes. */
const FIRST = { maxWorkers: CORES + 1, sequence: { groupOrder: 0 } };
const THEN = { maxWorkers: CORES, sequence: { groupOrder: 1 } };

/**
 * The project of each kind of test, those whose files take longest first: a long file that begins last leaves the other
 * core idle. Where files share a process each leaves it as it found it: `left-alone.ts` looks.
 */
const PROJECTS = [
  { name: 'engine', include: ENGINE, exclude: [], isolate: false, ...FIRST },
  { name: 'service', include: ['tests/service/**/*.test.ts', ...WAITING], exclude: HERE, isolate: true, ...FIRST },
  { name: 'here', include: HERE, exclude: [], isolate: false, ...THEN },
  {
    name: 'unit',
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/{e2e,service}/**', ...ENGINE, ...WAITING],
    isolate: false,
    ...THEN,
  },
];

/** Files that take longest in their project. */
const LONG = /service\/(trainer|slurm|ranks|cli|workstation|distillation|orphans|process)\.test|programs\/step\.test/;

class LongestFirst extends BaseSequencer {
  /** Sorts long files first, then by project, so that its files follow one another in its processes. */
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ project, moduleId }: TestSpecification) =>
      LONG.test(moduleId) ? -1 : PROJECTS.findIndex(({ name }) => name === project.name);
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

/** Unit, program, parity and service tests; the end-to-end ones belong to Playwright (`tests/e2e`). */
export default defineConfig({
  root: ROOT,
  cacheDir: 'node_modules/.cache/vite-tests',
  test: {
    projects: PROJECTS.map((test) => ({ extends: true as const, test })),
    setupFiles: ['tests/helpers/left-alone.ts'],
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // Ends a test that hangs; no test may depend on how fast the machine is.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    allowOnly: false,
    passWithNoTests: false,
  },
});
