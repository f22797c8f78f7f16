import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLUGIN_PINS, pluginLibrary, type PluginPin } from '../../src-main/install/engine-pin.ts';
import { install } from '../../src-main/install/engine-store.ts';
import { cacheFolder } from '../../src-main/runs/places.ts';
import { compileOptions } from '../../src-main/runtime/pjrt/compile-options.ts';
import type { CompiledMemory } from '../../src-main/runtime/pjrt/executable.ts';
import { PjrtPlugin } from '../../src-main/runtime/pjrt/plugin.ts';
import { GPU_TARGETS, targetConfig, type GpuTargetName } from './gpu-targets.ts';

/** XLA's compiler for NVIDIA GPUs, on a machine that need not have one. */

type CudaPlugin = 'pjrt-cuda13' | 'pjrt-cuda12';

/** The plugin, the assembler and the bitcode. */
const PARTS = /^jax-cuda|^nvidia-(cuda-nvcc|nvvm)/;

/** The plugin that has code for a GPU: the newest that does not leave its generation out. */
export function pluginFor(target: GpuTargetName): CudaPlugin {
  const { major, minor } = GPU_TARGETS[target];
  return major + minor / 10 < (PLUGIN_PINS['pjrt-cuda13'].capability ?? 0) ? 'pjrt-cuda12' : 'pjrt-cuda13';
}

function pinOf(plugin: CudaPlugin): PluginPin {
  const whole = PLUGIN_PINS[plugin];
  return { ...whole, wheels: whole.wheels.filter((wheel) => PARTS.test(wheel.package)) };
}

function folderOf(plugin: CudaPlugin): string {
  return join(cacheFolder(), 'engine', `compile-${plugin.slice('pjrt-'.length)}-${PLUGIN_PINS[plugin].version}`);
}

/** Tells whether what compiles for a GPU was fetched before. */
export const hasCompiler = (target: GpuTargetName): boolean => existsSync(folderOf(pluginFor(target)));

/** Opens it, fetched where it is not there. @param from a folder of wheels to take it from */
export async function openCompiler(target: GpuTargetName, from?: string): Promise<PjrtPlugin> {
  const plugin = pluginFor(target);
  const [pin, folder] = [pinOf(plugin), folderOf(plugin)];
  if (!hasCompiler(target)) console.error('Fetching the CUDA plugin and its assembler …');
  await install({ folder, pin, from, verify: () => Promise.resolve() });
  const { path, sha256 } = pluginLibrary(pin);
  return PjrtPlugin.load(join(folder, path), { sha256 });
}

/** What a program became. */
export interface CompiledFor {
  seconds: number;
  memory: CompiledMemory;
  /** Launches of a run, by kind. */
  kernels: Record<string, number>;
  /** Matrix products and convolutions by what computes them: a library's kernel or one of XLA's own. */
  products: Record<string, number>;
}

/** Compiles a module for GPUs. @throws PjrtError */
export async function compileFor(
  plugin: PjrtPlugin,
  target: GpuTargetName,
  mlir: string,
  devices = 1,
): Promise<CompiledFor> {
  const dump = mkdtempSync(join(tmpdir(), 'stillhouse-compile-'));
  try {
    const flags = { xla_dump_to: dump, xla_dump_hlo_as_text: true };
    const begun = performance.now();
    const executable = await plugin.compileAhead(mlir, compileOptions({ partitions: devices, flags }), {
      name: 'gpu',
      options: { target_config: targetConfig(GPU_TARGETS[target]), topology: `1x1x${devices}` },
    });
    const seconds = (performance.now() - begun) / 1000;
    const memory = executable.memory();
    executable.dispose();
    const kernels = count(dump, /thunk_sequence\.txt$/, /\bk([A-Z]\w+)\b/g);
    const products = count(
      dump,
      /gpu_after_optimizations\.txt$/,
      /custom_call_target="(__cu(?:blas|dnn)\$[\w$]+)"|"kind":"(__(?:triton|cudnn)\w*)"/g,
    );
    return { seconds, memory, kernels, products };
  } finally {
    rmSync(dump, { recursive: true });
  }
}

/** Counts what XLA has written down. */
function count(folder: string, files: RegExp, words: RegExp): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const file of readdirSync(folder).filter((name) => files.test(name)))
    for (const [, ...found] of readFileSync(join(folder, file), 'utf8').matchAll(words)) {
      const word = found.find(Boolean)!;
      counts[word] = (counts[word] ?? 0) + 1;
    }
  return counts;
}
