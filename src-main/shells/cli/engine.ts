import type {
  EngineDevice,
  EngineReport,
  EngineStatus,
  Gpu,
  GpuReport,
  PluginStatus,
} from '../../protocol/data-types.ts';
import { DEVICE_PATTERN, ENGINE_DEVICES, PLUGIN_NAMES, isPlugin } from '../../protocol/device.ts';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { sayReason } from '../../protocol/reasons.ts';
import { engineFolder, engineFolders } from '../../runs/places.ts';
import { EngineManager, type ChosenEngine } from '../../service/engine/engine-manager.ts';
import type { Command, Shell } from './command.ts';
import { withService, type LocalService } from './local-service.ts';
import { pathValue, textValue, type Parsed } from './options.ts';
import { bytes } from './progress.ts';
import { remove } from '../../base/moves.ts';

/**
 * Chooses the engine for the device that a person asked for.
 * @throws StillhouseError `engine.missing`, why the last verification failed, `gpu.*`.
 */
export function chooseEngine({ spawnJob }: Shell, device?: string): Promise<ChosenEngine> {
  return new EngineManager(engineFolders(), spawnJob, () => undefined).choose(device);
}

/** Describes in one line which device computes, and why it is no accelerator unless the run itself will say so. */
export function describeDevice({ device, reason, note }: ChosenEngine): string {
  return `Device: ${device}${reason && !note ? `. ${reason.message}` : ''}`;
}

const ACTIONS = ['install', 'status', 'verify', 'check', 'wheels'];

export const engine: Command = {
  name: 'engine',
  summary: 'Install, show, verify or check the engines (TensorFlow, PJRT plugins), or list their wheels.',
  words: ACTIONS.join('|'),
  count: [1, 1],
  options: [
    {
      flag: 'device',
      value: 'NAME',
      help: `Which engine: cpu (TensorFlow, the default), cuda (the plugin for the NVIDIA GPUs here), or a plugin: ${PLUGIN_NAMES.join(', ')}.`,
    },
    { flag: 'from', value: 'FOLDER', help: 'Install without a network from this folder of wheels.' },
    { flag: 'force', value: null, help: 'Remove what is installed first.' },
  ],
  run: async (parsed, shell) => {
    const [action] = parsed.words;
    if (!ACTIONS.includes(action))
      throw new StillhouseError('argument.invalid', { name: 'engine', expected: ACTIONS.join(', '), got: action });
    const lost = ['from', 'force'].find((flag) => action !== 'install' && parsed.values.has(flag));
    if (lost)
      throw new StillhouseError('argument.invalid', {
        name: `--${lost}`,
        expected: 'engine install',
        got: `engine ${action}`,
      });
    await withService(shell, (desk) => act(action, parsed, shell, desk));
  },
};

async function act(action: string, parsed: Parsed, shell: Shell, desk: LocalService): Promise<void> {
  const { calls } = desk;
  const asked = textValue(parsed, 'device');
  const tell = (report: EngineReport): void =>
    shell.reporter.result(describeReport(report), { type: 'engine', ...report });
  if (action === 'status') return tell(await calls['engine.status']({ device: deviceOf(asked) }));
  if (action === 'check') return tell(await calls['engine.check']({ device: deviceOf(asked) }));
  const before = await calls['engine.status']({});
  const device = engineOf(asked, before);
  if (asked === 'cuda') shell.reporter.note(`cuda is ${device} here: ${sayReason(before.gpu.why)}.`);
  if (action === 'wheels') {
    const wheels = await calls['engine.wheels']({ device });
    return shell.reporter.result(wheels, { type: 'wheels', device, wheels: wheels.split('\n') });
  }
  if (action === 'install') return installEngine(device, before, parsed, shell, desk);
  const report = await calls['engine.verify']({ device });
  tell(report);
  const { error } = engineIn(report, device);
  if (error) throw fromPlainError(error);
}

function engineIn(report: EngineReport, device: EngineDevice): EngineStatus {
  return report.plugins.find((plugin) => plugin.device === device) ?? report;
}

async function installEngine(
  device: EngineDevice,
  before: EngineReport,
  parsed: Parsed,
  shell: Shell,
  { calls, job }: LocalService,
): Promise<void> {
  const from = pathValue(parsed, 'from');
  if (parsed.values.get('force') === true) await remove(engineFolder(device));
  const plugin = before.plugins.find((one) => one.device === device);
  if (plugin) shell.reporter.note(describePlugin(plugin));
  if (plugin && device === before.gpu.plugin)
    shell.reporter.note(describeSizes(plugin, before.gpu, from !== undefined));
  const status = (await job(calls['engine.install']({ device, ...(from ? { from } : {}) }))) as EngineStatus;
  shell.reporter.result(describe(status), { type: 'engine', ...status });
}

function deviceOf(asked: string | undefined): string | undefined {
  if (asked === undefined || new RegExp(DEVICE_PATTERN).test(asked)) return asked;
  throw new StillhouseError('argument.invalid', {
    name: '--device',
    expected: 'auto, cpu, cuda:N or pjrt:…',
    got: asked,
  });
}

/** @param asked the name of an engine; that of a plugin may lack its `pjrt-`, and `cuda` is the one that fits here. */
function engineOf(asked = 'cpu', { gpu }: EngineReport): EngineDevice {
  if (asked === 'cuda') return gpu.plugin;
  const found = ENGINE_DEVICES.find((name) => name === asked) ?? PLUGIN_NAMES.find((name) => name === `pjrt-${asked}`);
  if (found) return found;
  throw new StillhouseError('argument.invalid', {
    name: '--device',
    expected: ['cuda', ...ENGINE_DEVICES].join(', '),
    got: asked,
  });
}

function describeReport(report: EngineReport): string {
  const { plugin, why, driver, gpus, device, reason } = report.gpu;
  return [
    describe(report),
    ...report.plugins.filter(({ fits }) => fits).map(describePlugin),
    ...gpus.map((gpu) => describeGpu(gpu, driver)),
    `Plugin for NVIDIA GPUs: ${plugin} (${sayReason(why)})`,
    `Device: ${device}${reason ? `. ${reason.message}` : ''}`,
  ].join('\n');
}

function describeGpu({ index, name, memory, memoryFree, capability }: Gpu, driver: string | null): string {
  const free = memoryFree === null ? '' : ` (${bytes(memoryFree)} free)`;
  const size = memory > 0 ? `, ${bytes(memory)}${free}` : '';
  const able = capability === null ? '' : `, compute capability ${capability.toFixed(1)}`;
  return `cuda:${index}: ${name}${size}${able}, driver ${driver ?? 'unknown'}`;
}

function describeSizes(
  { bytesDownload, bytesArrived, bytesOnDisk }: EngineStatus,
  { bytesNeeded, bytesFree }: GpuReport,
  offline: boolean,
): string {
  const arrived = bytesArrived > 0 ? ` (${bytes(bytesArrived)} have arrived)` : '';
  const download = offline ? '' : `${bytes(bytesDownload)} to download${arrived}, `;
  const needed = offline ? bytesOnDisk : bytesNeeded;
  return `${download}${bytes(bytesOnDisk)} on disk; ${bytes(needed)} of ${bytes(bytesFree)} free are needed until it is installed.`;
}

function describe({ version, device, state, path, bytesOnDisk, bytesDownload, bytesArrived }: EngineStatus): string {
  const where = state === 'missing' ? `${bytes(bytesDownload)} to download` : `${bytes(bytesOnDisk)} in ${path}`;
  const part = state === 'partial' ? `, ${bytes(bytesArrived)} of ${bytes(bytesDownload)} downloaded` : '';
  const name = isPlugin(device) ? `PJRT plugin ${device} ${version}` : `TensorFlow ${version} ${device}`;
  return `${name}: ${state}${part}; ${where}`;
}

/** What a person should know of a plugin before it is fetched. */
function describePlugin(plugin: PluginStatus): string {
  const { tried, experimental, needs, licences, gpus, gpuReason } = plugin;
  const facts = [
    ...(tried ? [] : ['untried']),
    ...(experimental ? ['experimental'] : []),
    ...(needs ? [`needs ${needs}`] : []),
    ...(gpus === null
      ? []
      : [`${gpus} device${gpus === 1 ? '' : 's'}${gpuReason ? ` (${sayReason(gpuReason)})` : ''}`]),
    `licences: ${licences.join(', ')}`,
  ];
  return `${describe(plugin)}; ${facts.join('; ')}`;
}
