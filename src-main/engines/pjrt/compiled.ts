import { shapeSize } from '../../base/shape-size.ts';
import type { Values } from '../../runtime/dtypes.ts';
import type { PjrtClient } from '../../runtime/pjrt/client.ts';
import type { DeviceBuffer } from '../../runtime/pjrt/device-buffer.ts';
import type { PjrtExecutable } from '../../runtime/pjrt/executable.ts';
import type { ModuleInput, ModuleOutput, StableHloModule } from '../../runtime/pjrt/module.ts';
import { emptyValues } from '../../runtime/tensors.ts';
import type { Compiled } from '../engine.ts';
import type { PjrtState } from './state.ts';

interface Loaded {
  client: PjrtClient;
  executable: PjrtExecutable;
  module: StableHloModule;
}

/**
 * Runs a loaded module over a state. The inputs of a run go up while one before it computes; it is handed to the devices
 * when those before it were, and takes over their variables there.
 * @throws RangeError when the state lacks a variable.
 */
export function compiledOver({ client, executable, module }: Loaded, state: PjrtState): Compiled {
  const variables = module.inputs.filter(({ variable }) => variable);
  const inputs = module.inputs.filter(({ variable }) => !variable);
  requireVariables(state, variables, module.outputs);
  const letGo = state.use(variables.map(({ name }) => name));
  return {
    run: async (values, onFeed) => {
      const begun = performance.now();
      const feeding = feed(client, inputs, values);
      // Who waits for its turn hears of a failure then.
      feeding.catch(() => undefined);
      const handed = state.inTurn(async () => {
        const fed = await feeding;
        const held = await state.buffers(variables.map(({ name }) => name));
        const lists = client.devices.map((_, device) => [...held, ...fed.buffers].map((one) => one[device]));
        const { outputs, done } = await executable.execute(lists);
        onFeed?.(begun, performance.now());
        return { fed, done, results: takenOver(module.outputs, outputs, state) };
      });
      try {
        const { fed, done, results } = await handed;
        await sentAll(fed);
        return await readBack(results, done);
      } finally {
        await feeding.then(({ buffers }) => freeAll(buffers), () => undefined); // prettier-ignore
      }
    },
    dispose: () => {
      letGo();
      executable.dispose();
    },
  };
}

function requireVariables(state: PjrtState, read: readonly ModuleInput[], written: readonly ModuleOutput[]): void {
  for (const { name, shape } of [...read, ...written.filter(({ variable }) => variable)]) {
    const own = state.shape(name);
    if (own.join() !== shape.join()) throw new RangeError(`compile: ${name} has shape [${own}], not [${shape}]`);
  }
}

interface Fed {
  /** For each input one a device. */
  buffers: DeviceBuffer[][];
  sent: (() => Promise<void>)[];
}

/** Waits until nothing of what was fed is read any more. One after the other: each occupies a thread. */
async function sentAll({ sent }: Fed): Promise<void> {
  for (const one of sent) await one();
}

async function feed(client: PjrtClient, inputs: readonly ModuleInput[], values: Record<string, Values>): Promise<Fed> {
  const made = await Promise.all(
    inputs.map((input) => {
      const whole = values[input.name];
      if (!whole) throw new RangeError(`run: the input ${input.name} is missing`);
      const parts = partsOf(whole, input, client.devices.length);
      return Promise.all(
        client.devices.map((device, at) => client.upload(parts[at], input.dtype, input.shape, device)),
      );
    }),
  );
  return {
    buffers: made.map((one) => one.map(({ buffer }) => buffer)),
    sent: made.flat().map(({ sent }) => sent),
  };
}

/** Divides a fed value into what each device gets. @throws RangeError for values of another number. */
export function partsOf(whole: Values, { name, shape, split }: ModuleInput, devices: number): Values[] {
  const count = shapeSize(shape) * (split === null ? 1 : devices);
  if (whole.length !== count) throw new RangeError(`run: ${name} expects ${count} values, got ${whole.length}`);
  if (split === null) return Array.from({ length: devices }, () => whole);
  if (split === 0) {
    const size = whole.length / devices;
    return Array.from({ length: devices }, (_, device) => whole.slice(device * size, (device + 1) * size));
  }
  const inner = shapeSize(shape.slice(split));
  const outer = shapeSize(shape.slice(0, split));
  return Array.from({ length: devices }, (_, device) => {
    const part = whole.slice(0, outer * inner);
    for (let row = 0; row < outer; row++) {
      const from = (row * devices + device) * inner;
      part.set(whole.subarray(from, from + inner) as never, row * inner);
    }
    return part;
  });
}

/** An output that is no variable: one buffer a device. */
interface Result extends ModuleOutput {
  buffers: DeviceBuffer[];
}

/** Gives new values to the state. @returns the other outputs */
function takenOver(specs: readonly ModuleOutput[], lists: readonly DeviceBuffer[][], state: PjrtState): Result[] {
  const results = specs.map((spec, index) => ({ ...spec, buffers: lists.map((list) => list[index]) }));
  for (const { name, variable, buffers } of results) if (variable) state.replace(name, buffers);
  return results.filter(({ variable }) => !variable);
}

/** Reads outputs from the first device when the run has ended. @throws PjrtError of the run */
async function readBack(results: readonly Result[], done: Promise<void>): Promise<Record<string, Values>> {
  try {
    await done;
    const entries = results.map(async ({ name, shape, dtype, buffers }) => {
      return [name, await buffers[0].read(emptyValues(dtype, shapeSize(shape)))] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  } finally {
    freeAll(results.map(({ buffers }) => buffers));
  }
}

function freeAll(buffers: readonly (readonly DeviceBuffer[])[]): void {
  for (const buffer of buffers.flat()) buffer.free();
}
