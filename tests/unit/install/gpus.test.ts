import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextConfig } from '../../../src-main/runtime/config.ts';
import { surveyGpus, visibleGpus } from '../../../src-main/install/gpus.ts';

let root: string;

beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'stillhouse-gpus-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** A program that says `output` and ends with `code`, as nvidia-smi would. */
function program(output: string, code = 0): string {
  const file = write('bin/nvidia-smi', `#!/bin/sh\ncat <<'END'\n${output}\nEND\nexit ${code}\n`);
  chmodSync(file, 0o755);
  return file;
}

const nothing = (): string[] => [join(root, 'bin/none')];

function device(address: string, vendor: string, kind: string): void {
  write(`sys/bus/pci/devices/${address}/vendor`, `${vendor}\n`);
  write(`sys/bus/pci/devices/${address}/class`, `${kind}\n`);
}

const TWO = [
  '0, NVIDIA GeForce RTX 3060, 12288, 11800, 8.6, GPU-aaaa-1, 550.54.14',
  '1, Tesla K80, 11441, [N/A], 3.7, GPU-bbbb-2, 550.54.14',
].join('\n');

const VERSION = `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
`;

describe('the survey of GPUs', () => {
  it('takes name, memory, capability and driver from the driver', async () => {
    const survey = await surveyGpus({ root, programs: [join(root, 'bin/none'), program(TWO)] });
    expect(survey).toMatchObject({ driver: '550.54.14', devices: 2, complaint: null });
    expect(survey.gpus).toEqual([
      {
        index: 0,
        name: 'NVIDIA GeForce RTX 3060',
        memory: 12288 * 2 ** 20,
        memoryFree: 11800 * 2 ** 20,
        capability: 8.6,
        uuid: 'GPU-aaaa-1',
      },
      { index: 1, name: 'Tesla K80', memory: 11441 * 2 ** 20, memoryFree: null, capability: 3.7, uuid: 'GPU-bbbb-2' },
    ]);
  });

  it('finds nothing on a machine without NVIDIA', async () => {
    device('0000:00:02.0', '0x8086', '0x030000');
    expect(await surveyGpus({ root, programs: nothing() })).toEqual({
      driver: null,
      gpus: [],
      devices: 0,
      complaint: null,
    });
  });

  it('sees a GPU without a driver on the bus, and not the sound device beside it', async () => {
    device('0000:01:00.0', '0x10de', '0x030000');
    device('0000:01:00.1', '0x10de', '0x040300');
    device('0000:02:00.0', '0x10de', '0x030200');
    expect(await surveyGpus({ root, programs: nothing() })).toMatchObject({ driver: null, devices: 2, gpus: [] });
  });

  it('reads a loaded driver and its GPUs without the program of the driver', async () => {
    write('proc/driver/nvidia/version', VERSION);
    write(
      'proc/driver/nvidia/gpus/0000:01:00.0/information',
      'Model: \t\t NVIDIA A10\nIRQ:   33\nGPU UUID: \t GPU-c\n',
    );
    const survey = await surveyGpus({ root, programs: nothing() });
    expect(survey.driver).toBe('535.183.01');
    expect(survey.gpus).toMatchObject([{ index: 0, name: 'NVIDIA A10', memory: 0, uuid: 'GPU-c' }]);
  });

  it('keeps what a driver says instead of GPUs', async () => {
    write('proc/driver/nvidia/version', VERSION);
    const words = 'Failed to initialize NVML: Driver/library version mismatch';
    const survey = await surveyGpus({ root, programs: [program(words, 18)] });
    expect(survey).toMatchObject({ driver: '535.183.01', gpus: [], complaint: words });
  });
});

it('leaves and numbers the GPUs that CUDA_VISIBLE_DEVICES names', async () => {
  const { gpus } = await surveyGpus({ root, programs: [program(TWO)] });
  const names = (value?: string) => visibleGpus(gpus, value).map(({ index, uuid }) => `${index} ${uuid}`);
  expect(names()).toEqual(['0 GPU-aaaa-1', '1 GPU-bbbb-2']);
  expect(names('1, 0')).toEqual(['0 GPU-bbbb-2', '1 GPU-aaaa-1']);
  expect(names('GPU-bbbb')).toEqual(['0 GPU-bbbb-2']);
  expect(names('0,7,1')).toEqual(['0 GPU-aaaa-1']);
  expect(names('MIG-1')).toHaveLength(2);
  for (const hidden of ['', '-1', 'none']) expect(names(hidden)).toEqual([]);
});

it('writes what TensorFlow reads as its ConfigProto', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  // As the config_pb2 of the wheel reads it: device_count {GPU: 0}.
  expect(hex(contextConfig({ within: 2, between: 3 }))).toBe('100228030a070a034750551000');
});
