import { shapeSize } from '../../base/shape-size.ts';
import type { PjrtClient } from '../../runtime/pjrt/client.ts';
import type { DeviceBuffer } from '../../runtime/pjrt/device-buffer.ts';
import type { IsFrozen } from '../../trace/freeze.ts';
import { requireFit, type State } from '../engine.ts';

interface Variable {
  shape: number[];
  /** Values that are not on the devices yet; null where the devices have them. */
  waiting: Float32Array | null;
  /** The same values on each device. */
  buffers: DeviceBuffer[];
  /** Compiled programs that read or write it. */
  users: number;
}

/** Variables as buffers, the same on every device. What is set goes up before the next run. */
export class PjrtState implements State {
  private readonly variables = new Map<string, Variable>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly client: PjrtClient) {}

  names(): string[] {
    return [...this.variables.keys()];
  }

  has(name: string): boolean {
    return this.variables.has(name);
  }

  shape(name: string): number[] {
    return this.variable(name).shape;
  }

  set(name: string, shape: readonly number[], values: Float32Array): void {
    const existing = this.variables.get(name);
    requireFit(name, existing?.shape, shape, values.length);
    free(existing?.buffers ?? []);
    const users = existing?.users ?? 0;
    this.variables.set(name, { shape: [...shape], waiting: values.slice(), buffers: [], users });
  }

  read(name: string): Float32Array {
    const { shape, waiting, buffers } = this.variable(name);
    return waiting ? waiting.slice() : buffers[0].readNow(new Float32Array(shapeSize(shape)));
  }

  trim(isFrozen: IsFrozen): void {
    for (const [name, { users, buffers }] of this.variables) {
      if (users > 0 || !isFrozen(name)) continue;
      free(buffers);
      this.variables.delete(name);
    }
  }

  /** Holds variables for a compiled program. @returns what lets them go. */
  use(names: readonly string[]): () => void {
    for (const name of names) this.variable(name).users++;
    let held = true;
    return () => {
      if (held) for (const name of names) this.variable(name).users--;
      held = false;
    };
  }

  dispose(): void {
    for (const { buffers } of this.variables.values()) free(buffers);
    this.variables.clear();
  }

  /** Does `work` when what came before is done: two runs never take the same buffers. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const now = this.last.then(work);
    this.last = now.catch(() => undefined);
    return now;
  }

  /** The buffers of variables: for each name one a device. */
  async buffers(names: readonly string[]): Promise<DeviceBuffer[][]> {
    for (const name of names) await this.sendUp(this.variable(name));
    return names.map((name) => this.variable(name).buffers);
  }

  /** Takes over new buffers of a variable; the old ones are freed. */
  replace(name: string, buffers: DeviceBuffer[]): void {
    const variable = this.variable(name);
    free(variable.buffers);
    Object.assign(variable, { buffers, waiting: null });
  }

  private async sendUp(variable: Variable): Promise<void> {
    const { waiting, shape } = variable;
    if (!waiting) return;
    const made = await Promise.all(
      this.client.devices.map((device) => this.client.upload(waiting, 'float32', shape, device)),
    );
    for (const { sent } of made) await sent();
    Object.assign(variable, { waiting: null, buffers: made.map(({ buffer }) => buffer) });
  }

  private variable(name: string): Variable {
    const variable = this.variables.get(name);
    if (!variable) throw new RangeError(`State: there is no variable ${name}`);
    return variable;
  }
}

function free(buffers: readonly DeviceBuffer[]): void {
  for (const buffer of buffers) buffer.free();
}
