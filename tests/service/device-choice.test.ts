import { describe, expect, it } from 'vitest';
import type { EngineDevice, EngineStatus, Gpu } from '../../src-main/protocol/data-types.ts';
import type { PluginName } from '../../src-main/protocol/device.ts';
import { gpuIndex } from '../../src-main/protocol/device.ts';
import { StillhouseError, toPlainError } from '../../src-main/protocol/errors.ts';
import { reason } from '../../src-main/protocol/reasons.ts';
import type { GpuSurvey } from '../../src-main/install/gpus.ts';
import { chooseDevice, isOlder, requireDevice, type DeviceFacts } from '../../src-main/jobs/device-choice.ts';

const gpu = (index: number, capability: number | null = 8.6): Gpu => ({
  index,
  name: `NVIDIA Card ${index}`,
  memory: 12e9,
  memoryFree: 11e9,
  capability,
  uuid: `GPU-${index}`,
});

const engine = (device: EngineDevice, more: Partial<EngineStatus> = {}): EngineStatus => ({
  state: 'verified',
  version: '2.21.0',
  device,
  path: `/engine/${device}`,
  bytesDownload: 1,
  bytesOnDisk: 1,
  bytesArrived: 1,
  error: null,
  gpus: device === 'cuda' ? 2 : null,
  gpuReason: null,
  ...more,
});

interface Change extends Partial<Omit<DeviceFacts, 'survey'>> {
  survey?: Partial<GpuSurvey>;
  cuda?: Partial<EngineStatus>;
  cpu?: Partial<EngineStatus>;
}

/** A machine with two GPUs and both engines, but for what is changed. */
function machine({ survey, cuda, cpu, plugins, ...rest }: Change = {}): DeviceFacts {
  return {
    platform: 'linux x64',
    visible: undefined,
    survey: { driver: '550.54.14', gpus: [gpu(0), gpu(1)], devices: 2, complaint: null, ...survey },
    engines: { cpu: engine('cpu', cpu), cuda: engine('cuda', cuda) },
    plugins: { ...plugins },
    ...rest,
  };
}

describe('a GPU that can compute', () => {
  it.each([
    ['auto', 'cuda:0'],
    ['cuda', 'cuda:0'],
    ['cuda:1', 'cuda:1'],
  ])('%s comes to %s', (asked, device) => {
    expect(chooseDevice(asked, machine())).toEqual({ device, engine: 'cuda', accelerator: null, reason: null });
  });

  it('is used whatever the driver does not tell of its capability', () => {
    expect(chooseDevice('auto', machine({ survey: { gpus: [gpu(0, null)] } })).device).toBe('cuda:0');
  });
});

describe('why no GPU computes', () => {
  const cases: [string, string, Change][] = [
    ['another platform', 'gpu.platform', { platform: 'darwin arm64' }],
    ['no GPU', 'gpu.none', { survey: { driver: null, gpus: [], devices: 0 } }],
    ['no driver', 'gpu.no-driver', { survey: { driver: null, gpus: [], devices: 1 } }],
    ['an old driver', 'gpu.driver-old', { survey: { driver: '470.256.02' } }],
    ['a silent driver', 'gpu.driver-silent', { survey: { gpus: [], complaint: 'version mismatch' } }],
    ['hidden GPUs', 'gpu.hidden', { visible: '' }],
    ['an old GPU', 'gpu.too-old', { survey: { gpus: [gpu(0, 5.2)] } }],
    ['only the CPU engine', 'gpu.no-engine', { cuda: { state: 'missing', gpus: null } }],
    ['half an engine', 'gpu.no-engine', { cuda: { state: 'partial', gpus: null } }],
    ['an engine never tried', 'gpu.engine-unready', { cuda: { state: 'unpacked', gpus: null } }],
    [
      'a broken engine',
      'gpu.engine-unready',
      {
        cuda: {
          state: 'broken',
          error: toPlainError(new StillhouseError('engine.load', { reason: 'libcudnn.so.9: no such file' })),
        },
      },
    ],
    ['an engine that saw none', 'gpu.not-seen', { cuda: { gpus: 0, gpuReason: reason('gpu.no-device') } }],
  ];

  it.each(cases)('%s is told as %s', (_, code, change) => {
    const choice = chooseDevice('auto', machine(change));
    expect(choice).toMatchObject({ device: 'cpu', engine: 'cpu', reason: { code } });
    expect(choice.reason?.message).not.toMatch(/\{\w+\}|undefined/);
    expect(() => requireDevice('cuda:0', machine(change))).toThrow(choice.reason?.message);
    expect(requireDevice('auto', machine(change)).device).toBe('cpu');
  });

  it('is the number, where there are fewer, on the machine or in the engine', () => {
    expect(chooseDevice('cuda:2', machine()).reason).toMatchObject({ code: 'gpu.no-such', params: { count: 2 } });
    expect(chooseDevice('cuda:1', machine({ cuda: { gpus: 1 } })).reason?.code).toBe('gpu.not-seen');
  });

  it('is the choice of the person, who gets no error', () => {
    expect(requireDevice('cpu', machine())).toMatchObject({ device: 'cpu', reason: { code: 'gpu.cpu-chosen' } });
  });
});

it('computes on the processor with the GPU engine where that is the only one', () => {
  const only = machine({ cpu: { state: 'missing' }, survey: { driver: null, gpus: [], devices: 0 } });
  expect(chooseDevice('auto', only)).toMatchObject({ device: 'cpu', engine: 'cuda' });
});

it('compares versions number by number', () => {
  const older = (version: string) => isOlder(version, '525.60.13');
  expect(['525.60.12', '525.9', '470.256.02', '525'].map(older)).toEqual([true, true, true, true]);
  expect(['525.60.13', '525.60.13.1', '525.105.17', '1000.1'].map(older)).toEqual([false, false, false, false]);
});

it('reads the number of a device', () => {
  expect(['cpu', 'auto', 'cuda', 'cuda:0', 'cuda:12'].map(gpuIndex)).toEqual([null, null, 0, 0, 12]);
});

describe('a device of a plugin', () => {
  const plugin = (name: PluginName, more: Partial<EngineStatus> = {}) => ({
    [name]: engine(name, { gpus: 4, ...more }),
  });
  const choose = (asked: string, change: Change) => chooseDevice(asked, machine(change));
  const none: Change = { cuda: { state: 'missing', gpus: null } };

  it.each([
    ['pjrt:cpu', 'pjrt-cpu', 'pjrt:cpu:0', [0]],
    ['pjrt:cpu:0,1', 'pjrt-cpu', 'pjrt:cpu:0,1', [0, 1]],
    ['pjrt:cuda:2', 'pjrt-cuda13', 'pjrt:cuda:2', [2]],
    ['cuda:0,3', 'pjrt-cuda13', 'pjrt:cuda:0,3', [0, 3]],
    ['cuda:all', 'pjrt-cuda13', 'pjrt:cuda:0,1,2,3', [0, 1, 2, 3]],
    ['pjrt:rocm', 'pjrt-rocm', 'pjrt:rocm:0', [0]],
  ] as const)('%s is computed on by %s', (asked, name, device, devices) => {
    const accelerator = { plugin: name, folder: `/engine/${name}`, devices: [...devices] };
    expect(choose(asked, { plugins: plugin(name) })).toEqual({ device, engine: 'cpu', accelerator, reason: null });
  });

  it('takes the place of TensorFlow where that has no engine for GPUs', () => {
    const both = { ...plugin('pjrt-cuda13', { state: 'missing' }), ...plugin('pjrt-cuda12') };
    const accelerator = { plugin: 'pjrt-cuda12', folder: '/engine/pjrt-cuda12', devices: [1] };
    expect(choose('cuda:1', { ...none, plugins: both })).toMatchObject({ device: 'cuda:1', accelerator, reason: null });
    expect(choose('cuda:1', { plugins: both })).toMatchObject({ device: 'cuda:1', accelerator: null, engine: 'cuda' });
  });

  it.each<[string, Partial<EngineStatus>, string]>([
    ['is missing', { state: 'missing' }, 'it is not installed'],
    ['was never tried', { state: 'unpacked' }, 'it was never tried'],
    ['sees nothing', { gpus: 0, gpuReason: 'No visible GPU devices.' }, 'No visible GPU devices.'],
    ['sees fewer', { gpus: 1 }, 'pjrt-rocm sees 1 devices'],
  ])('is refused where the plugin %s', (_what, status, why) => {
    const facts = machine({ plugins: plugin('pjrt-rocm', status) });
    expect(() => requireDevice('pjrt:rocm:2', facts)).toThrow(expect.objectContaining({ code: 'device.no-plugin' }));
    expect(() => requireDevice('pjrt:rocm:2', facts)).toThrow(why);
  });
});
