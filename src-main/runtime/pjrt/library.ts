import type { PjrtApi } from './api.ts';

/** Holds what a client needs of its plugin. */
export interface Library {
  /** Path of the library. */
  readonly file: string;
  readonly api: PjrtApi;
  /** Version of the C API, as 0.115. */
  readonly version: string;
}

/** Writes a `PJRT_Program` of MLIR text. Keep it until the call has returned. */
export function programOf(api: PjrtApi, mlir: string): { slots: BigUint64Array; kept: Uint8Array[] } {
  const code = Buffer.from(mlir);
  const format = Buffer.from('mlir');
  const lengths = [code, format].map(({ length }) => BigInt(length));
  const slots = BigUint64Array.of(48n, 0n, api.address(code), lengths[0], api.address(format), lengths[1]);
  return { slots, kept: [code, format] };
}
