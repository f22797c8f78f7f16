import { join } from 'node:path';
import type { ImageFile } from '../../service/data/datasets.ts';
import { readFromService, type FromService, type ToService } from '../../service/service-link.ts';
import { startChild, type Child } from './child.ts';
import { RelayPort } from './relay.ts';

/** The service process as the main process sees it: ports for windows, images by id, how many runs train. */
export class ServiceHost {
  private child: Child | undefined;
  private readonly ports = new Map<number, RelayPort>();
  private readonly images = new Map<number, (image: ImageFile | null) => void>();
  private readonly trainers = new Map<number, Child>();
  private readonly starts: (() => void)[] = [];
  private readonly activity: ((runs: number) => void)[] = [];
  private ends: (() => void)[] = [];
  private next = 0;
  /** Runs that train now. */
  active = 0;

  /** @param folder holds service.mjs and trainer.mjs. */
  constructor(private readonly folder: string) {}

  /** A port to the service, for one page of one window. Starts the service when it is not there. */
  open(): RelayPort {
    const number = this.next++;
    const port = new RelayPort(
      (body) => this.send({ type: 'message', port: number, body }),
      () => {
        if (this.ports.delete(number)) this.send({ type: 'close', port: number });
      },
    );
    this.start();
    this.ports.set(number, port);
    this.send({ type: 'open', port: number });
    return port;
  }

  /** Where an image lies, or null when there is none by that id. */
  image(id: string): Promise<ImageFile | null> {
    return new Promise((resolve) => {
      if (!this.child) return resolve(null);
      const request = this.next++;
      this.images.set(request, resolve);
      this.send({ type: 'image', request, id });
    });
  }

  /** Hears how many runs train, whenever it changes. */
  onActivity(listener: (runs: number) => void): void {
    this.activity.push(listener);
  }

  /** Hears of each start of the service. */
  onStart(listener: () => void): void {
    this.starts.push(listener);
  }

  /** Has runs saved and stopped, and the service ended. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.child) return resolve();
      this.ends.push(resolve);
      this.send({ type: 'end' });
    });
  }

  private start(): void {
    if (this.child) return;
    const child = startChild(join(this.folder, 'service.mjs'), 'Stillhouse service');
    this.child = child;
    child.onMessage((message) => {
      const known = readFromService(message);
      if (known) this.hear(known);
    });
    child.onExit(() => this.ended());
    for (const listener of this.starts) listener();
  }

  private send(message: ToService): void {
    this.child?.post(message);
  }

  private hear(message: FromService): void {
    switch (message.type) {
      case 'message':
        this.ports.get(message.port)?.deliver(message.body);
        break;
      case 'image':
        this.images.get(message.request)?.(message.image);
        this.images.delete(message.request);
        break;
      case 'active':
        this.setActive(message.runs);
        break;
      case 'trainer-start':
        this.startJobProcess(message.trainer, message.env);
        break;
      case 'trainer-message':
        this.trainers.get(message.trainer)?.post(message.body);
        break;
      case 'trainer-kill':
        this.trainers.get(message.trainer)?.kill();
        break;
    }
  }

  private setActive(runs: number): void {
    this.active = runs;
    for (const listener of this.activity) listener(runs);
  }

  private startJobProcess(trainer: number, env: Record<string, string>): void {
    const child = startChild(join(this.folder, 'trainer.mjs'), 'Stillhouse trainer', env);
    this.trainers.set(trainer, child);
    child.onMessage((body) => this.send({ type: 'trainer-message', trainer, body }));
    child.onExit((code, signal) => {
      this.trainers.delete(trainer);
      this.send({ type: 'trainer-exit', trainer, code, signal });
    });
  }

  private ended(): void {
    this.child = undefined;
    // Whoever trains for a service that is gone saves and ends.
    for (const trainer of this.trainers.values()) trainer.post({ do: 'stop' });
    for (const resolve of this.images.values()) resolve(null);
    this.images.clear();
    const ports = [...this.ports.values()];
    this.ports.clear();
    for (const port of ports) port.close();
    this.setActive(0);
    for (const resolve of this.ends.splice(0)) resolve();
  }
}
