import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PLUGIN_PINS, pluginLibrary } from '../../../src-main/install/engine-pin.ts';
import { openPlugin } from '../../../src-main/job-process/accelerator/open-plugin.ts';
import { memoryErrorOf } from '../../../src-main/jobs/out-of-memory.ts';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { compileOptions } from '../../../src-main/runtime/pjrt/compile-options.ts';
import type { PjrtClient } from '../../../src-main/runtime/pjrt/client.ts';
import { PjrtPlugin } from '../../../src-main/runtime/pjrt/plugin.ts';
import { pseudoRandom, relativeError } from '../../helpers/engine.ts';
import { testClient, testPlugin } from '../../helpers/pjrt.ts';

const [M, K, N] = [64, 128, 32];

/** A product, its GELU and its softmax. */
const PRODUCT = `
module @product {
  func.func public @main(%a: tensor<${M}x${K}xf32>, %b: tensor<${K}x${N}xf32>) -> (tensor<${M}x${N}xf32>, tensor<${M}x${N}xf32>) {
    %p = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0], precision = [HIGHEST, HIGHEST] : (tensor<${M}x${K}xf32>, tensor<${K}x${N}xf32>) -> tensor<${M}x${N}xf32>
    %r = stablehlo.constant dense<0.70710678118654752> : tensor<${M}x${N}xf32>
    %h = stablehlo.constant dense<0.5> : tensor<${M}x${N}xf32>
    %s = stablehlo.multiply %p, %r : tensor<${M}x${N}xf32>
    %e = chlo.erf %s : tensor<${M}x${N}xf32> -> tensor<${M}x${N}xf32>
    %f = stablehlo.multiply %e, %h : tensor<${M}x${N}xf32>
    %c = stablehlo.add %f, %h : tensor<${M}x${N}xf32>
    %g = stablehlo.multiply %p, %c : tensor<${M}x${N}xf32>
    return %p, %g : tensor<${M}x${N}xf32>, tensor<${M}x${N}xf32>
  }
}`;

/** A state that grows by what is fed, donated, and the sum of it. */
const COUNTER = `
module @counter {
  func.func public @main(%state: tensor<256xf32> {tf.aliasing_output = 0 : i32}, %more: tensor<256xf32>) -> (tensor<256xf32>, tensor<f32>) {
    %new = stablehlo.add %state, %more : tensor<256xf32>
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %sum = stablehlo.reduce(%new init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<256xf32>, tensor<f32>) -> tensor<f32>
    return %new, %sum : tensor<256xf32>, tensor<f32>
  }
}`;

const refusal = async (work: Promise<unknown>): Promise<StillhouseError> => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StillhouseError);
  return error as StillhouseError;
};

const buffer = async (client: PjrtClient, values: Float32Array, shape: number[], device = 0) => {
  const { buffer, sent } = await client.upload(values, 'float32', shape, client.devices[device]);
  await sent();
  return buffer;
};

async function withClient(devices: number, work: (client: PjrtClient) => Promise<void>): Promise<void> {
  const client = await testClient(devices);
  try {
    await work(client);
    expect({ ...client.held }).toEqual({ buffers: 0, events: 0, executables: 0 });
  } finally {
    client.close();
  }
}

/** Φ, by the error function's series; good to 1e-12 here. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && n < 300; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return Math.abs(x) > 5 ? Math.sign(x) : (2 / Math.sqrt(Math.PI)) * sum;
}

describe('a plugin', () => {
  it('says which API and which StableHLO it speaks', () => {
    const plugin = testPlugin();
    expect(plugin.version).toMatch(/^0\.\d+$/);
    expect(plugin.attributes().stablehlo_current_version).toHaveLength(3);
    expect(PjrtPlugin.load(plugin.file, { sha256: '' })).toBe(plugin);
  });

  it('is refused where it is missing, or no plugin', () => {
    const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    const load = (file: string, sha256 = hashOf(file)) => PjrtPlugin.load(file, { sha256 });
    expect(() => load('/nowhere/plugin.so', '')).toThrow(expect.objectContaining({ code: 'file.missing' }));
    expect(() => load(import.meta.filename)).toThrow(expect.objectContaining({ code: 'engine.load' }));
    expect(() => load('/lib/x86_64-linux-gnu/libm.so.6')).toThrow(/is not a PJRT plugin/);
  });

  it('is refused before a byte of it runs where it is not the pinned one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'plugin-'));
    const { path } = pluginLibrary(PLUGIN_PINS['pjrt-cpu']);
    mkdirSync(join(folder, path, '..'), { recursive: true });
    const whole = readFileSync(testPlugin().file);
    for (const bytes of [whole.subarray(0, 1 << 20), readFileSync('/lib/x86_64-linux-gnu/libm.so.6')]) {
      writeFileSync(join(folder, path), bytes);
      expect(() => openPlugin(folder, 'pjrt-cpu')).toThrow(expect.objectContaining({ code: 'engine.corrupt' }));
    }
    rmSync(folder, { recursive: true });
  });

  it('refuses options that it does not know, or of another type, by name', async () => {
    const unknown = await refusal(testPlugin().client({ cpu_device_cout: 2n }));
    expect(unknown).toMatchObject({ code: 'device.refused', status: 'INVALID_ARGUMENT' });
    expect(unknown.message).toContain('cpu_device_cout');
    const other = await refusal(testPlugin().client({ cpu_device_count: 2 }));
    expect(other).toMatchObject({ code: 'device.refused', status: 'INVALID_ARGUMENT' });
  });
});

describe('a client', () => {
  it('has as many devices as were asked for, and says what they are', () =>
    withClient(3, async (client) => {
      expect(client.devices).toHaveLength(3);
      expect(client.devices[0].kind).toBe('cpu');
      expect(client.platform).toBe('cpu');
      expect(client.memory()).toBeNull();
    }));

  it.each([
    ['float32', Float32Array.of(1.5, -2, 3e38, 0)],
    ['int32', Int32Array.of(1, -2, 3, 2 ** 31 - 1)],
    ['uint8', Uint8Array.of(1, 2, 3, 255)],
    ['bool', Uint8Array.of(1, 0, 0, 1)],
    ['bfloat16', Uint16Array.of(0x3f80, 0, 1, 0xffff)],
    ['int64', BigInt64Array.of(1n, -2n, 3n, 2n ** 62n)],
  ] as const)('takes %s up and gives it back', (dtype, values) =>
    withClient(1, async (client) => {
      const { buffer, sent } = await client.upload(values, dtype, [2, 2]);
      await sent();
      const kind = values.constructor as new (count: number) => typeof values;
      expect(await buffer.read(new kind(4))).toEqual(values);
      buffer.free();
      buffer.free();
    }),
  );
});

describe('a program', () => {
  it('computes what float64 does, and says what it holds', () =>
    withClient(1, async (client) => {
      const program = await client.compile(PRODUCT, compileOptions());
      const [a, b] = [pseudoRandom(M * K, 1), pseudoRandom(K * N, 2)];
      const given = [await buffer(client, a, [M, K]), await buffer(client, b, [K, N])];
      const { outputs, done } = await program.execute([given]);
      const [product, gelu] = await Promise.all(outputs[0].map((one) => one.read(new Float32Array(M * N))));
      await done;
      const want = Float64Array.from({ length: M * N }, (_, at) => {
        const [row, column] = [Math.floor(at / N), at % N];
        return Array.from({ length: K }, (_, k) => a[row * K + k] * b[k * N + column]).reduce((x, y) => x + y, 0);
      });
      expect(relativeError(product, want)).toBeLessThan(1e-6);
      expect(
        relativeError(
          gelu,
          want.map((x) => (x * (1 + erf(x / Math.SQRT2))) / 2),
        ),
      ).toBeLessThan(1e-6);
      expect(program.memory()).toMatchObject({ arguments: 4 * (M * K + K * N), aliased: 0 });
      for (const one of [...given, ...outputs[0]]) one.free();
      program.dispose();
    }));

  it('takes a donated state, 2,000 times, and leaves nothing behind', () =>
    withClient(1, async (client) => {
      const program = await client.compile(COUNTER, compileOptions());
      expect(program.memory().aliased).toBe(1024);
      const more = Float32Array.from({ length: 256 }, (_, at) => at % 4);
      let state = await buffer(client, new Float32Array(256), [256]);
      const sum = new Float32Array(1);
      for (let step = 0; step < 2000; step++) {
        const { buffer: fed, sent } = await client.upload(more, 'float32', [256]);
        const { outputs, done } = await program.execute([[state, fed]]);
        const [next, total] = outputs[0];
        if (step === 0) expect(state.isDeleted).toBe(true);
        state.free();
        await Promise.all([sent(), done, total.read(sum)]);
        for (const one of [fed, total]) one.free();
        state = next;
        expect(client.held.buffers).toBe(1);
      }
      expect(sum[0]).toBe(2000 * 384);
      state.free();
      program.dispose();
    }));

  it('refuses a state that was used up, and one of another shape', () =>
    withClient(1, async (client) => {
      const program = await client.compile(COUNTER, compileOptions());
      const [state, fed, small] = await Promise.all([256, 256, 4].map((size) => buffer(client, new Float32Array(size), [size]))); // prettier-ignore
      const { outputs, done } = await program.execute([[state, fed]]);
      await done;
      expect(await refusal(program.execute([[state, fed]]))).toMatchObject({ status: 'INVALID_ARGUMENT' });
      expect(await refusal(program.execute([[small, fed]]))).toMatchObject({ status: 'INVALID_ARGUMENT' });
      for (const one of [state, fed, small, ...outputs[0]]) one.free();
      program.dispose();
    }));

  it('says where a text is wrong', () =>
    withClient(1, async (client) => {
      const error = await refusal(client.compile('module { nonsense }', compileOptions()));
      expect(error.code).toBe('device.refused');
      expect(error.message).toContain('nonsense');
    }));

  it('is kept as bytes and loaded again, and bytes of something else are refused', () =>
    withClient(1, async (client) => {
      const program = await client.compile(COUNTER, compileOptions());
      const bytes = program.serialize();
      program.dispose();
      const again = await client.deserialize(bytes);
      const given = [await buffer(client, new Float32Array(256), [256]), await buffer(client, new Float32Array(256).fill(2), [256])]; // prettier-ignore
      const { outputs, done } = await again.execute([given]);
      await done;
      expect(await outputs[0][1].read(new Float32Array(1))).toEqual(Float32Array.of(512));
      for (const one of [...given, ...outputs[0]]) one.free();
      again.dispose();
      expect(await refusal(client.deserialize(bytes.subarray(0, 100)))).toMatchObject({ code: 'device.refused' });
      expect(await refusal(client.deserialize(new Uint8Array(4000)))).toMatchObject({ code: 'device.refused' });
    }));

  it('runs on two devices with one sum over both', () =>
    withClient(2, async (client) => {
      const text = `
module @both attributes {mhlo.num_replicas = 1 : i32, mhlo.num_partitions = 2 : i32} {
  func.func public @main(%x: tensor<8xf32> {mhlo.sharding = "{devices=[2]<=[2]}"}) -> (tensor<f32> {mhlo.sharding = "{replicated}"}) {
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %s = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<8xf32>, tensor<f32>) -> tensor<f32>
    return %s : tensor<f32>
  }
}`;
      const program = await client.compile(text, compileOptions({ partitions: 2 }));
      const given = [
        [await buffer(client, Float32Array.of(1, 2, 3, 4), [4], 0)],
        [await buffer(client, Float32Array.of(10, 20, 30, 40), [4], 1)],
      ];
      const { outputs, done } = await program.execute(given);
      await done;
      const read = await Promise.all(outputs.map(([one]) => one.read(new Float32Array(1))));
      expect(read).toEqual([Float32Array.of(110), Float32Array.of(110)]);
      for (const one of [...given.flat(), ...outputs.flat()]) one.free();
      program.dispose();
    }));

  it('that needs more memory than there is says so, and the client goes on', () =>
    withClient(1, async (client) => {
      const huge = 2 ** 44;
      const text = `
module @huge {
  func.func public @main(%x: tensor<f32>) -> tensor<${huge}xf32> {
    %y = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<${huge}xf32>
    return %y : tensor<${huge}xf32>
  }
}`;
      const program = await client.compile(text, compileOptions());
      expect(program.memory().outputs).toBe(4 * huge);
      const x = await buffer(client, Float32Array.of(1), []);
      const error = await refusal(
        program.execute([[x]]).then(async ({ outputs, done }) => {
          for (const one of outputs[0]) one.free();
          await done;
        }),
      );
      expect(error).toMatchObject({ code: 'device.out-of-memory', status: 'RESOURCE_EXHAUSTED' });
      const told = memoryErrorOf(error, parseRecipe({ batchSize: 64 }), 1e9);
      expect(told).toMatchObject({
        code: 'run.out-of-memory',
        params: { settings: expect.stringContaining('--batch-size 32') },
      });
      expect(told?.message).toContain('the accelerator has too little (RESOURCE_EXHAUSTED');
      x.free();
      program.dispose();
    }));
});

describe('options of a compilation', () => {
  it('are those bytes that XLA reads', () => {
    expect(Buffer.from(compileOptions()).toString('hex')).toBe('1a0420012801');
    const flags = { xla_gpu_enable_triton_gemm: false };
    expect(Buffer.from(compileOptions({ flags })).toString('latin1')).toContain('xla_gpu_enable_triton_gemm');
  });

  it('with a flag that XLA does not know are refused', () =>
    withClient(1, async (client) => {
      const error = await refusal(client.compile(PRODUCT, compileOptions({ flags: { xla_no_such_flag: true } })));
      expect(error.message).toContain('xla_no_such_flag');
    }));
});
