import { describe, expect, it } from 'vitest';
import type { EngineDevice, EngineStatus, Gpu } from '../../src-main/protocol/data-types.ts';
import type { PluginName } from '../../src-main/protocol/device.ts';
import { StillhouseError, toPlainError } from '../../src-main/protocol/errors.ts';
import { reason } from '../../src-main/protocol/reasons.ts';
import type { GpuSurvey } from '../../src-main/install/gpus.ts';
import { cudaPluginFor, isOlder } from '../../src-main/jobs/cuda-choice.ts';
import { chooseDevice, requireDevice, type DeviceFacts } from '../../src-main/jobs/device-choice.ts';

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
  version: '1.0.0',
  device,
  path: `/engine/${device}`,
  bytesDownload: 1,
  bytesOnDisk: 1,
  bytesArrived: 1,
  error: null,
  gpus: device === 'cpu' ? null : 2,
  gpuReason: null,
  ...more,
});

interface Change extends Partial<Omit<DeviceFacts, 'survey'>> {
  survey?: Partial<GpuSurvey>;
  cuda13?: Partial<EngineStatus>;
}

const plugin = (name: PluginName, more: Partial<EngineStatus> = {}) => ({ [name]: engine(name, more) });

/** A machine with two GPUs, a new driver and the plugin for them, but for what is changed. */
function machine({ survey, cuda13, plugins, ...rest }: Change = {}): DeviceFacts {
  return {
    platform: 'linux x64',
    visible: undefined,
    survey: { driver: '580.65.06', gpus: [gpu(0), gpu(1)], devices: 2, complaint: null, ...survey },
    tensorflow: engine('cpu'),
    plugins: { ...plugin('pjrt-cuda13', cuda13), ...plugins },
    ...rest,
  };
}

describe('a GPU that can compute', () => {
  it.each([
    ['auto', 'cuda:0', [0]],
    ['cuda', 'cuda:0', [0]],
    ['cuda:1', 'cuda:1', [1]],
    ['pjrt:cuda:1', 'cuda:1', [1]],
    ['cuda:0,1', 'cuda:0,1', [0, 1]],
    ['cuda:all', 'cuda:0,1', [0, 1]],
  ])('%s comes to %s', (asked, device, devices) => {
    const accelerator = { plugin: 'pjrt-cuda13', folder: '/engine/pjrt-cuda13', devices };
    expect(chooseDevice(asked, machine())).toEqual({ device, accelerator, reason: null });
  });

  it('is used whatever the driver does not say of its capability', () => {
    expect(chooseDevice('auto', machine({ survey: { gpus: [gpu(0, null)] } })).device).toBe('cuda:0');
  });
});

describe('of the plugins for NVIDIA GPUs', () => {
  const both = { ...plugin('pjrt-cuda13'), ...plugin('pjrt-cuda12') };
  const chosen = (change: Change) => chooseDevice('cuda', machine({ plugins: both, ...change })).accelerator?.plugin;
  const V100 = gpu(0, 7);

  it('the newest that driver and GPU take computes', () => {
    expect(chosen({})).toBe('pjrt-cuda13');
    expect(chosen({ survey: { driver: '550.54.14' } })).toBe('pjrt-cuda12');
    expect(chosen({ survey: { gpus: [V100] } })).toBe('pjrt-cuda12');
    expect(chosen({ survey: { gpus: [gpu(0), V100] } })).toBe('pjrt-cuda13');
  });

  it('the older computes where the newer is not there or broken', () => {
    const broken = toPlainError(new StillhouseError('engine.load', { reason: 'libcudnn.so.9' }));
    expect(chosen({ plugins: { ...both, ...plugin('pjrt-cuda13', { state: 'missing' }) } })).toBe('pjrt-cuda12');
    const change = { plugins: { ...both, ...plugin('pjrt-cuda13', { state: 'broken', error: broken }) } };
    expect(chosen(change)).toBe('pjrt-cuda12');
  });

  it.each<[Partial<GpuSurvey>, PluginName, string]>([
    [{}, 'pjrt-cuda13', 'cuda.fits'],
    [{ driver: '550.54.14' }, 'pjrt-cuda12', 'cuda.driver'],
    [{ gpus: [gpu(0), { ...V100, index: 1 }] }, 'pjrt-cuda12', 'cuda.capability'],
    [{ driver: null, gpus: [], devices: 0 }, 'pjrt-cuda13', 'cuda.unseen'],
    [{ driver: '470.256.02' }, 'pjrt-cuda12', 'cuda.driver'],
  ])('one is proposed for the whole machine, and it is said why: %o', (survey, name, code) => {
    expect(cudaPluginFor(machine({ survey }))).toMatchObject({ plugin: name, why: { code } });
  });

  it('that of another system is proposed nowhere else', () => {
    const windows = { platform: 'win32 x64', survey: { driver: null, gpus: [], devices: 0 } };
    expect(cudaPluginFor(machine(windows))).toMatchObject({
      plugin: 'pjrt-cuda13-windows',
      why: { code: 'cuda.only' },
    });
    expect(cudaPluginFor(machine({ platform: 'darwin arm64' })).why).toMatchObject({ code: 'cuda.other-system' });
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
    ['an old GPU', 'gpu.too-old', { survey: { gpus: [gpu(0, 3.7)] } }],
    ['a plugin for newer GPUs alone', 'gpu.no-engine', { survey: { gpus: [gpu(0, 7)] } }],
    ['no plugin', 'gpu.no-engine', { cuda13: { state: 'missing', gpus: null } }],
    ['half a plugin', 'gpu.no-engine', { cuda13: { state: 'partial', gpus: null } }],
    ['a plugin never tried', 'gpu.engine-unready', { cuda13: { state: 'unpacked', gpus: null } }],
    [
      'a broken plugin',
      'gpu.engine-unready',
      {
        cuda13: {
          state: 'broken',
          error: toPlainError(new StillhouseError('engine.load', { reason: 'libcudnn.so.9: no such file' })),
        },
      },
    ],
    ['a plugin that saw none', 'gpu.not-seen', { cuda13: { gpus: 0, gpuReason: 'No visible GPU devices.' } }],
  ];

  it.each(cases)('%s is told as %s', (_, code, change) => {
    const choice = chooseDevice('auto', machine(change));
    expect(choice).toMatchObject({ device: 'cpu', accelerator: null, reason: { code } });
    expect(choice.reason?.message).not.toMatch(/\{\w+\}|undefined/);
    expect(() => requireDevice('cuda:0', machine(change))).toThrow(choice.reason?.message);
    expect(requireDevice('auto', machine(change)).device).toBe('cpu');
  });

  it('is the number, where there are fewer, on the machine or for the plugin', () => {
    expect(chooseDevice('cuda:2', machine()).reason).toMatchObject({ code: 'gpu.no-such', params: { count: 2 } });
    expect(chooseDevice('cuda:0,1', machine({ cuda13: { gpus: 1 } })).reason?.code).toBe('gpu.not-seen');
  });

  it('is the choice of the person, who gets no error', () => {
    expect(requireDevice('cpu', machine())).toMatchObject({ device: 'cpu', reason: { code: 'gpu.cpu-chosen' } });
  });
});

it('compares versions number by number', () => {
  const older = (version: string) => isOlder(version, '525.60.13');
  expect(['525.60.12', '525.9', '470.256.02', '525'].map(older)).toEqual([true, true, true, true]);
  expect(['525.60.13', '525.60.13.1', '525.105.17', '1000.1'].map(older)).toEqual([false, false, false, false]);
});

describe('a device of another maker', () => {
  it.each([
    ['pjrt:cpu', 'pjrt-cpu', 'pjrt:cpu:0', [0]],
    ['pjrt:cpu:0,1', 'pjrt-cpu', 'pjrt:cpu:0,1', [0, 1]],
    ['pjrt:rocm', 'pjrt-rocm', 'pjrt:rocm:0', [0]],
  ] as const)('%s is computed on by %s', (asked, name, device, devices) => {
    const accelerator = { plugin: name, folder: `/engine/${name}`, devices: [...devices] };
    expect(chooseDevice(asked, machine({ plugins: plugin(name) }))).toEqual({ device, accelerator, reason: null });
  });

  it.each<[string, Partial<EngineStatus>, string]>([
    ['is missing', { state: 'missing' }, 'it is not installed'],
    ['was never tried', { state: 'unpacked' }, 'it was never tried'],
    ['sees nothing', { gpus: 0, gpuReason: reason('gpu.none-shown') }, 'it shows no GPU'],
    ['sees fewer', { gpus: 1 }, 'pjrt-rocm sees 1 devices'],
  ])('is refused where the plugin %s', (_what, status, why) => {
    const facts = machine({ plugins: plugin('pjrt-rocm', status) });
    expect(() => requireDevice('pjrt:rocm:2', facts)).toThrow(expect.objectContaining({ code: 'device.no-plugin' }));
    expect(() => requireDevice('pjrt:rocm:2', facts)).toThrow(why);
  });
});
