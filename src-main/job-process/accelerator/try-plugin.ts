import { reason } from '../../protocol/reasons.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { PluginName } from '../../protocol/device.ts';
import type { Sight } from '../../install/engine-store.ts';
import { PjrtError } from '../../runtime/pjrt/api.ts';
import type { PjrtClient } from '../../runtime/pjrt/client.ts';
import { compileOptions } from '../../runtime/pjrt/compile-options.ts';
import { openDevices, openPlugin } from './open-plugin.ts';

const PRODUCT = `
module @verify {
  func.func public @main(%a: tensor<2x2xf32>) -> tensor<2x2xf32> {
    %p = stablehlo.dot_general %a, %a, contracting_dims = [1] x [0], precision = [HIGHEST, HIGHEST] : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    return %p : tensor<2x2xf32>
  }
}`;

/** Says what a plugin was found to be. */
export interface PluginTrial {
  /** Of the C API. */
  version: string;
  devices: string[];
  sight: Sight;
}

/**
 * Loads a plugin, counts the devices that it sees, and multiplies two matrices on the first.
 * @throws StillhouseError `file.missing`, `engine.corrupt`, `engine.load`.
 */
export async function tryPlugin(folder: string, name: PluginName): Promise<PluginTrial> {
  const plugin = openPlugin(folder, name);
  const { version } = plugin;
  const client = await openDevices(plugin, name).catch((error: unknown) => {
    if (error instanceof PjrtError) return error;
    throw error;
  });
  if (client instanceof PjrtError) {
    return { version, devices: [], sight: { gpus: 0, reason: client.words.split('\n')[0] } };
  }
  const got = await product(client);
  if (got !== '7,10,15,22') throw new StillhouseError('engine.load', { reason: reason('engine.product', { got }) });
  const devices = client.devices.map(({ kind }, index) => `${kind} ${index}`);
  client.close();
  return { version, devices, sight: { gpus: devices.length, reason: null } };
}

async function product(client: PjrtClient): Promise<string> {
  const program = await client.compile(PRODUCT, compileOptions());
  const { buffer, sent } = await client.upload(Float32Array.of(1, 2, 3, 4), 'float32', [2, 2]);
  const { outputs, done } = await program.execute([[buffer]]);
  const [result] = outputs[0];
  const got = await result.read(new Float32Array(4));
  await Promise.all([sent(), done]);
  for (const one of [buffer, result]) one.free();
  program.dispose();
  return got.join();
}
