import { afterAll, expect, vi } from 'vitest';

/** Test files share a process: each leaves it as it found it, or fails. */
const before = { ...process.env };
const folder = process.cwd();
/** Takes arrays of the same bytes for equal at once; for others Vitest looks at each entry, and says which differs. */
function sameBytes(one: unknown, other: unknown): true | undefined {
  if (!ArrayBuffer.isView(one) || !ArrayBuffer.isView(other)) return undefined;
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return undefined;
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);
  return bytes(one).equals(bytes(other)) || undefined;
}

// Files that share a process share what is added.
const ADDED = Symbol.for('stillhouse.same-bytes');
if (!(ADDED in globalThis)) expect.addEqualityTesters([sameBytes]);
Object.assign(globalThis, { [ADDED]: true });

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
