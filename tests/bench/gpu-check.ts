import { createHash } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compiledOver } from '../../src-main/engines/pjrt/compiled.ts';
import { PjrtState } from '../../src-main/engines/pjrt/state.ts';
import type { Compiled } from '../../src-main/engines/engine.ts';
import type { NamedValue } from '../../src-main/runtime/pjrt/api.ts';
import type { PjrtClient } from '../../src-main/runtime/pjrt/client.ts';
import { compileOptions, type XlaFlags } from '../../src-main/runtime/pjrt/compile-options.ts';
import { PjrtPlugin } from '../../src-main/runtime/pjrt/plugin.ts';
import type { Values } from '../../src-main/runtime/dtypes.ts';
import { COMPARED, packedInputs, packedState, type PackedProgram } from './packed-program.ts';

/**
 * Runs packed training steps on a GPU and prints one table: what `npm run bench -- gpu-pack` puts into its archive.
 * Options: --plugin FILE (else that of the CUDA wheels of JAX in this machine's Python), --device cuda | pjrt:cpu (that of
 * a processor, which takes the small programs alone, to try this out), --minutes N (10), --only NAME (repeatable),
 * --no-peers: without torch.compile and JAX, --json.
 */
const { values: options } = parseArgs({
  options: {
    plugin: { type: 'string' },
    device: { type: 'string', default: 'cuda' },
    minutes: { type: 'string', default: '10' },
    only: { type: 'string', multiple: true },
    'no-peers': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const onProcessor = options.device === 'pjrt:cpu';
// A plugin may crash at a normal exit.
const exitProcess = (code: number): void => (process as unknown as { reallyExit(code: number): void }).reallyExit(code);
const here = dirname(fileURLToPath(import.meta.url));
const begun = Date.now();
const end = begun + 60_000 * Number(options.minutes);
const MEASURED = onProcessor ? 6 : 20;
/** On a processor XLA makes its code in a moment, which is then slower. */
const FLAGS: XlaFlags = onProcessor
  ? { xla_backend_optimization_level: 0, xla_llvm_disable_expensive_passes: true }
  : {};

/** Share of the time that our own programs may take, where others are to be measured too. */
const OWN_SHARE = 0.65;

interface Line {
  program: string;
  batch: number;
  compileSeconds: number;
  /** The greatest relative difference of its losses from the references, and what it may be; null where there are none. */
  off: number | null;
  bound: number;
  /** Whether a run that went on from read values has the same losses, bit for bit; null where it was not tried. */
  resumed: boolean | null;
  imagesPerSecond: number | null;
  /** Bytes on the device: the compiler's figure, and what the device, or this process, held at the most. */
  planned: number;
  held: number | null;
  failure: string | null;
  /** What others make of the same step; null where there is none. */
  peers: Record<Peer, PeerResult | null>;
}

type Peer = 'torch' | 'jax';

interface PeerResult {
  imagesPerSecond: number | null;
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
  if (!onProcessor && options.device !== 'cuda') throw new Error(`--device ${options.device}: cuda or pjrt:cpu`);
  if (onProcessor && !options.plugin) throw new Error('--device pjrt:cpu needs the plugin: --plugin FILE');
  const file = options.plugin ?? jaxPlugin();
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  const plugin = PjrtPlugin.load(file, { sha256 });
  const packed = JSON.parse(readFileSync(join(here, 'programs.json'), 'utf8')) as PackedProgram[];
  const chosen = packed.filter(({ name }) => options.only?.includes(name) ?? true);
  const programs = chosen.filter(({ losses }) => !onProcessor || losses);
  const lines: Line[] = [];
  for (const program of programs) {
    const late = Date.now() > (options['no-peers'] ? end : begun + OWN_SHARE * (end - begun));
    const line = late ? failed(program, 'no time was left') : await tried(plugin, program);
    lines.push(line);
    if (!options.json) console.error(`${line.program}: ${line.failure ?? 'done'}`);
  }
  if (!options['no-peers'])
    for (const [index, line] of lines.entries())
      for (const peer of ['torch', 'jax'] as const) line.peers[peer] = peerOf(peer, programs[index]);
  const machine = { plugin: file, sha256, pjrt: plugin.version, gpu: gpuName(), processor: cpus()[0]?.model ?? '' };
  if (options.json) console.log(JSON.stringify({ ...machine, date: new Date().toISOString(), lines }));
  else console.log(tableOf(machine, lines));
  if (lines.some(isWrong)) throw new Error('Losses are off, or a resumed run has others.');
}

function isWrong({ off, bound, resumed }: Line): boolean {
  return (off !== null && !(off <= bound)) || resumed === false;
}

function gpuName(): string | null {
  const asked = spawnSync('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'], {
    encoding: 'utf8',
  });
  return asked.status === 0 ? asked.stdout.trim().replaceAll('\n', '; ') : null;
}

/** Has Python measure the step of another framework; null where Python or the framework is missing. */
function peerOf(peer: Peer, { model, teacher, precision, batch, module, losses }: PackedProgram): PeerResult | null {
  const seconds = Math.floor((end - Date.now()) / 1000);
  if (losses ? !onProcessor || precision !== 'float32' : onProcessor) return null;
  if (module.replicas > 1) return null;
  if (seconds < 5) return { imagesPerSecond: null, held: null, failure: 'no time was left' };
  const side = module.inputs.find(({ name }) => name === 'images')!.shape[1];
  const device = onProcessor ? 'cpu' : 'cuda';
  const given = [
    join(here, 'gpu-peers.py'),
    peer,
    model,
    String(batch),
    String(side),
    precision,
    device,
    teacher ?? '',
  ];
  // One that takes long leaves time for others.
  const timeout = 1000 * Math.max(Math.min(60, seconds), seconds / 2);
  const { stdout, signal } = spawnSync('python3', given, { encoding: 'utf8', timeout, killSignal: 'SIGKILL' });
  if (signal) return { imagesPerSecond: null, held: null, failure: 'no time was left' };
  try {
    return JSON.parse(stdout?.trim().split('\n').at(-1) ?? '') as PeerResult | null;
  } catch {
    return null;
  }
}

function jaxPlugin(): string {
  const find = "import importlib.util as u; print(next(s.submodule_search_locations[0] for n in ('xla_cuda13', 'xla_cuda12') if (s := u.find_spec('jax_plugins.' + n))))"; // prettier-ignore
  try {
    return join(execFileSync('python3', ['-c', find], { encoding: 'utf8' }).trim(), 'xla_cuda_plugin.so');
  } catch {
    throw new Error('No CUDA plugin of JAX was found: pip install "jax[cuda13]", or name one with --plugin FILE.');
  }
}

function failed({ name, batch, bound }: PackedProgram, failure: string | null): Line {
  const nothing = { off: null, resumed: null, imagesPerSecond: null, held: null };
  return { program: name, batch, compileSeconds: 0, planned: 0, bound, ...nothing, failure, peers: { torch: null, jax: null } }; // prettier-ignore
}

async function tried(plugin: PjrtPlugin, program: PackedProgram): Promise<Line> {
  const { module } = program;
  const line = failed(program, null);
  const devices = Array.from({ length: module.replicas }, (_, index) => index);
  const own: Record<string, NamedValue> = onProcessor
    ? { cpu_device_count: BigInt(module.replicas) }
    : { visible_devices: devices, preallocate: false };
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
  const started = performance.now();
  const executable = await client.compile(mlir, compileOptions({ partitions: module.replicas, flags: FLAGS }));
  line.compileSeconds = (performance.now() - started) / 1000;
  line.planned = executable.memory().peak;
  const state = new PjrtState(client);
  packedState(module, (name, shape, values) => state.set(name, shape, values));
  const over = (other: PjrtState) => compiledOver({ client, executable, module: { ...module, mlir } }, other);
  const step = over(state);
  const run = async (index: number, runner = step) =>
    Number((await runner.run(packedInputs(module, index, scalars))).loss[0]);
  const found: number[] = [];
  for (let index = 0; index < COMPARED; index++) found.push(await run(index));
  if (losses) line.off = Math.max(...losses.map((loss, index) => Math.abs(found[index] - loss) / Math.abs(loss)));
  line.resumed = await resumes(client, state, over, run);
  line.imagesPerSecond = (await speed(step, packedInputs(module, COMPARED, scalars))) * batch;
  line.held = client.memory()?.peak ?? (onProcessor ? process.memoryUsage.rss() : null);
  step.dispose();
  state.dispose();
}

/** Steps a second: the median of some, each begun while the one before computes, as the training loop does. */
async function speed(step: Compiled, inputs: Record<string, Values>): Promise<number> {
  const ends = [performance.now()];
  let before = step.run(inputs);
  for (let index = 1; index < MEASURED && Date.now() < end; index++) {
    const next = step.run(inputs);
    await before;
    ends.push(performance.now());
    before = next;
  }
  await before;
  ends.push(performance.now());
  const times = ends.slice(1).map((time, index) => time - ends[index]);
  return 1000 / times.sort((a, b) => a - b)[times.length >> 1];
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

interface Machine {
  plugin: string;
  sha256: string;
  pjrt: string;
  gpu: string | null;
  processor: string;
}

function tableOf({ plugin, sha256, pjrt, gpu, processor }: Machine, lines: readonly Line[]): string {
  const head =
    'program | batch | compiled, s | losses off by | resumed | images/s | planned | held | torch.compile | JAX';
  const rows = [head, head.replaceAll(/[^|]+/g, '---'), ...lines.map(rowOf)].map((row) => `| ${row} |`);
  const where = `${gpu ?? processor}, ${release()}, ${new Date().toISOString().slice(0, 10)}`;
  return [where, `${plugin}, PJRT ${pjrt}, SHA-256 ${sha256}`, '', ...rows].join('\n');
}

function gib(bytes: number | null): string {
  return bytes === null ? '–' : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function rowOf(line: Line): string {
  const { program, batch, compileSeconds, off, bound, resumed, imagesPerSecond, planned, held, failure, peers } = line;
  const own = [
    compileSeconds.toFixed(1),
    off === null ? '–' : `${off.toExponential(1)} (may be ${bound})`,
    resumed === null ? '–' : resumed ? 'bit for bit' : 'OTHER LOSSES',
    imagesPerSecond?.toFixed(0) ?? '–',
    gib(planned),
    gib(held),
  ];
  const mine = failure ? [failure, ...own.slice(1).map(() => '–')] : own;
  return [program, batch, ...mine, peerText(peers.torch), peerText(peers.jax)].join(' | ');
}

function peerText(result: PeerResult | null): string {
  if (!result) return '–';
  return result.failure ?? `${result.imagesPerSecond?.toFixed(0) ?? '–'}, ${gib(result.held)}`;
}
