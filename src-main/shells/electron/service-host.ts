import { join } from 'node:path';
import type { ImageFile } from '../../service/data/datasets.ts';
import { readFromService, type FromService, type ToService } from '../../service/service-link.ts';
import { startChild, startHeard, type Child } from './child.ts';
import { RelayPort } from './relay.ts';

/** The service process as the main process sees it: ports for windows, images by id, how many runs train. */
export class ServiceHost {
  private child: Child | undefined;
  private readonly ports = new Map<number, RelayPort>();
  private readonly images = new Map<number, (image: ImageFile | null) => void>();
  private readonly jobProcesses = new Map<number, Child>();
  private readonly starts: (() => void)[] = [];
  private readonly activity: ((runs: number) => void)[] = [];
  private ends: (() => void)[] = [];
  private next = 0;
  /** Runs that train now. */
  active = 0;

  /** @param folder holds the bundles of both kinds of process. */
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
    const child = startChild(join(this.folder, 'service.process.mjs'), 'Stillhouse service');
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
      case 'job-start':
        this.startJobProcess(message.process, message.env);
        break;
      case 'job-message':
        this.jobProcesses.get(message.process)?.post(message.body);
        break;
      case 'job-kill':
        this.jobProcesses.get(message.process)?.kill();
        break;
    }
  }

  private setActive(runs: number): void {
    this.active = runs;
    for (const listener of this.activity) listener(runs);
  }

  private startJobProcess(number: number, env: Record<string, string>): void {
    const child = startHeard(join(this.folder, 'job.process.mjs'), 'Stillhouse job', env);
    this.jobProcesses.set(number, child);
    child.onMessage((body) => this.send({ type: 'job-message', process: number, body }));
    child.onOutput((text) => this.send({ type: 'job-output', process: number, text }));
    child.onExit((code, signal) => {
      this.jobProcesses.delete(number);
      this.send({ type: 'job-exit', process: number, code, signal });
    });
  }

  private ended(): void {
    this.child = undefined;
    // Whoever trains for a service that is gone saves and ends.
    for (const child of this.jobProcesses.values()) child.post({ do: 'stop' });
    for (const resolve of this.images.values()) resolve(null);
    this.images.clear();
    const ports = [...this.ports.values()];
    this.ports.clear();
    for (const port of ports) port.close();
    this.setActive(0);
    for (const resolve of this.ends.splice(0)) resolve();
  }
}
