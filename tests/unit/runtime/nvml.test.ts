import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openGpuLoad } from '../../../src-main/runtime/nvml.ts';

const native = fileURLToPath(new URL('../../fixtures/native', import.meta.url));
const files = { cuda: join(native, 'libcuda-stub.so'), nvml: join(native, 'libnvml-stub.so') };

test('reads the load of the GPU that CUDA numbers so, wherever NVML has it', () => {
  expect(openGpuLoad(0, files)?.()).toEqual({ memory: 2e9, busy: 87 });
});

test('tells nothing of a GPU that is not there, or does not say how busy it is', () => {
  expect(openGpuLoad(2, files)).toBeNull();
  expect(openGpuLoad(1, files)).toBeNull();
});

test('tells nothing where a library of the driver is missing, or is another', () => {
  expect(openGpuLoad(0, { ...files, nvml: '/nowhere/libnvidia-ml.so.1' })).toBeNull();
  expect(openGpuLoad(0, { ...files, cuda: '/nowhere/libcuda.so.1' })).toBeNull();
  expect(openGpuLoad(0, { ...files, nvml: files.cuda })).toBeNull();
});
