import { engineFolder } from '../../src-main/runs/places.ts';
import type { PjrtClient } from '../../src-main/runtime/pjrt/client.ts';
import { openPlugin } from '../../src-main/job-process/accelerator/open-plugin.ts';
import type { PjrtPlugin } from '../../src-main/runtime/pjrt/plugin.ts';

/** The plugin of the processor, which `npm test` installs. */
export function testPlugin(): PjrtPlugin {
  return openPlugin(engineFolder('pjrt-cpu'), 'pjrt-cpu');
}

/** Devices of the processor: as many as there are to be, whatever its cores. */
export function testClient(devices = 1): Promise<PjrtClient> {
  return testPlugin().client({ cpu_device_count: BigInt(devices) });
}
