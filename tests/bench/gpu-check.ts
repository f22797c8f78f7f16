import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compiledOver } from '../../src-main/engines/pjrt/compiled.ts';
import { PjrtState } from '../../src-main/engines/pjrt/state.ts';
import type { NamedValue } from '../../src-main/runtime/pjrt/api.ts';
import type { PjrtClient } from '../../src-main/runtime/pjrt/client.ts';
import { compileOptions } from '../../src-main/runtime/pjrt/compile-options.ts';
import { PjrtPlugin } from '../../src-main/runtime/pjrt/plugin.ts';
import { packedInputs, packedState, type PackedProgram } from './packed-program.ts';

/**
 * Runs packed training steps on a GPU and prints one table: what `npm run bench -- gpu-pack` puts into its archive.
 * Options: --plugin FILE (else that of the CUDA wheels of JAX in this machine's Python), --processor N: as many devices
 * of the plugin of a processor, to try this out, --minutes N (10), --only NAME (repeatable), --json.
 */
const { values: options } = parseArgs({
  options: {
    plugin: { type: 'string' },
    processor: { type: 'string' },
    minutes: { type: 'string', default: '10' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
// A plugin may crash at a normal exit.
const exitProcess = (code: number): void => (process as unknown as { reallyExit(code: number): void }).reallyExit(code);
const here = dirname(fileURLToPath(import.meta.url));
const end = Date.now() + 60_000 * Number(options.minutes);
const MEASURED = 20;

interface Line {
  program: string;
  batch: number;
  compileSeconds: number;
  /** The greatest relative difference of its losses from the references; null where there are none. */
  off: number | null;
  /** Whether a run that went on from read values has the same losses, bit for bit; null where it was not tried. */
  resumed: boolean | null;
  imagesPerSecond: number | null;
  /** Bytes on the device: the compiler's figure, and what the device held. */
  planned: number;
  held: number | null;
  failure: string | null;
}

try {
  await main();
  exitProcess(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  exitProcess(1);
}

async function main(): Promise<void> {
  const file = options.plugin ?? jaxPlugin();
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  const plugin = PjrtPlugin.load(file, { sha256 });
  const programs = JSON.parse(readFileSync(join(here, 'programs.json'), 'utf8')) as PackedProgram[];
  console.log(`Plugin ${file}, PJRT ${plugin.version}, SHA-256 ${sha256}`);
  const lines: Line[] = [];
  for (const program of programs) {
    if (!(options.only?.includes(program.name) ?? true) || Date.now() > end) continue;
    const line = await tried(plugin, program);
    lines.push(line);
    if (!options.json) console.log(rowOf(line));
  }
  if (options.json) console.log(JSON.stringify(lines));
}

function jaxPlugin(): string {
  const find = "import importlib.util as u; print(next(s.submodule_search_locations[0] for n in ('xla_cuda13', 'xla_cuda12') if (s := u.find_spec('jax_plugins.' + n))))"; // prettier-ignore
  try {
    return join(execFileSync('python3', ['-c', find], { encoding: 'utf8' }).trim(), 'xla_cuda_plugin.so');
  } catch {
    throw new Error('No CUDA plugin of JAX was found: pip install "jax[cuda13]", or name one with --plugin FILE.');
  }
}

async function tried(plugin: PjrtPlugin, program: PackedProgram): Promise<Line> {
  const { name, batch, module } = program;
  const line: Line = { program: name, batch, compileSeconds: 0, off: null, resumed: null, imagesPerSecond: null, planned: 0, held: null, failure: null }; // prettier-ignore
  const devices = Array.from({ length: module.replicas }, (_, index) => index);
  const own: Record<string, NamedValue> =
    options.processor === undefined
      ? { visible_devices: devices, preallocate: false }
      : { cpu_device_count: BigInt(module.replicas) };
  let client: PjrtClient | null = null;
  try {
    client = await plugin.client(own);
    await measure(client, program, line);
  } catch (error) {
    line.failure = (error as Error).message.split('\n')[0].slice(0, 160);
  } finally {
    client?.close();
  }
  return line;
}

async function measure(client: PjrtClient, program: PackedProgram, line: Line): Promise<void> {
  const { module, scalars, losses, batch } = program;
  const mlir = readFileSync(join(here, program.file), 'utf8');
  const begun = performance.now();
  const executable = await client.compile(mlir, compileOptions({ partitions: module.replicas }));
  line.compileSeconds = (performance.now() - begun) / 1000;
  line.planned = executable.memory().peak;
  const state = new PjrtState(client);
  packedState(module, (name, shape, values) => state.set(name, shape, values));
  const step = compiledOver({ client, executable, module: { ...module, mlir } }, state);
  const run = async (index: number, runner = step) =>
    Number((await runner.run(packedInputs(module, index, scalars))).loss[0]);
  const found: number[] = [];
  for (let index = 0; index < 3; index++) found.push(await run(index));
  if (losses) line.off = Math.max(...losses.map((loss, index) => Math.abs(found[index] - loss) / Math.abs(loss)));
  const over = (other: PjrtState) => compiledOver({ client, executable, module: { ...module, mlir } }, other);
  line.resumed = await resumes(client, state, over, run);
  const fed = packedInputs(module, 3, scalars);
  const times: number[] = [];
  for (let index = 0; index < MEASURED && Date.now() < end; index++) {
    const started = performance.now();
    await step.run(fed);
    times.push(performance.now() - started);
  }
  const [median] = times.sort((a, b) => a - b).slice(times.length >> 1);
  line.imagesPerSecond = median ? (1000 * batch) / median : null;
  line.held = client.memory()?.peak ?? null;
  step.dispose();
  state.dispose();
}

/** Reads every variable, sets it in a new state, and compares the next loss of both. */
async function resumes(
  client: PjrtClient,
  state: PjrtState,
  over: (state: PjrtState) => ReturnType<typeof compiledOver>,
  run: (index: number, runner?: ReturnType<typeof compiledOver>) => Promise<number>,
): Promise<boolean> {
  const copy = new PjrtState(client);
  for (const name of state.names()) copy.set(name, state.shape(name), state.read(name));
  const same = Object.is(await run(3, over(copy)), await run(3));
  copy.dispose();
  return same;
}

function rowOf(line: Line): string {
  const { program, batch, compileSeconds, off, resumed, imagesPerSecond, planned, held, failure } = line;
  const gib = (bytes: number | null): string => (bytes === null ? '–' : `${(bytes / 2 ** 30).toFixed(2)} GiB`);
  if (failure) return `${program}: ${failure}`;
  return [
    program,
    `batch ${batch}`,
    `compiled in ${compileSeconds.toFixed(1)} s`,
    off === null ? 'no references' : `losses off by ${off.toExponential(1)}`,
    `goes on ${resumed ? 'bit for bit' : 'with other numbers'}`,
    `${imagesPerSecond?.toFixed(0) ?? '–'} images/s`,
    `${gib(planned)} planned, ${gib(held)} held`,
  ].join(', ');
}
