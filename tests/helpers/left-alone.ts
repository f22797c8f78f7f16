import { afterAll, expect, vi } from 'vitest';

/** Test files share a process: each leaves it as it found it, or fails. */
const before = { ...process.env };
const folder = process.cwd();
/** Variables that Vitest sets for each file, and those that the engine sets when it is loaded. */
const SET = /^(VITEST.*|TF_CPP_MIN_LOG_LEVEL|CUDA_DEVICE_ORDER)$/;

afterAll(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
  expect(process.cwd()).toBe(folder);
  const own = (environment: NodeJS.ProcessEnv) => Object.entries(environment).filter(([name]) => !SET.test(name));
  expect(Object.fromEntries(own(process.env))).toEqual(Object.fromEntries(own(before)));
});
