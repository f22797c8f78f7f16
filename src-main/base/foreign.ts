import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

/** The FFI. */
export type Foreign = typeof Koffi;

/** Bytes of the stacks on which koffi calls: XLA and TensorFlow's optimizer recurse deeper than its 2 MiB and 128 KiB. */
const STACK = 16 << 20;

/** Calls at a time: many accelerators get many inputs. koffi's own number is 256. */
const CALLS = 4096;

let loaded: Foreign | undefined;

/** Loads koffi with stacks for compilers, once a process. */
export function foreign(): Foreign {
  if (loaded) return loaded;
  const koffi = createRequire(import.meta.url)('koffi') as Foreign;
  koffi.config({ sync_stack_size: STACK, async_stack_size: STACK, resident_async_pools: 4, max_async_calls: CALLS });
  return (loaded = koffi);
}
