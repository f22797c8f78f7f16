import { onOwnerGone } from '../base/process.ts';
import { utilityPort } from '../base/utility-port.ts';
import { serve, type Port } from '../protocol/rpc.ts';
import type { ServiceEvent } from '../protocol/events.ts';
import { cacheFolder, homeFolder } from '../runs/places.ts';
import { RelayJobProcesses } from './jobs/relay-job-processes.ts';
import { readToService, type FromService, type ToService } from './service-link.ts';
import { spawnJob } from '../jobs/job-process.ts';
import { createWorkstation, type Workstation } from './workstation.ts';

/**
 * The service in a process of its own, for the desktop shell: started by it as a utility process or on a stock Node.
 * It answers the windows that the shell opens, and ends, with everything it started, when the shell says so or is gone.
 */

/** The line to the shell. */
interface ShellLine {
  post(message: FromService): void;
  onMessage(listener: (message: unknown) => void): void;
  onGone(listener: () => void): void;
  /** True in a utility process: its children must be started by the shell. */
  utility: boolean;
}

function shellLine(): ShellLine | undefined {
  const utility = utilityPort();
  if (utility) {
    return {
      post: (message) => utility.postMessage(message),
      onMessage: (listener) => utility.on('message', ({ data }) => listener(data)),
      // A utility process is ended by Chromium when the main process is.
      onGone: () => undefined,
      utility: true,
    };
  }
  if (!process.send) return undefined;
  return {
    post: (message) => void (process.connected && process.send?.(message, undefined, {}, () => undefined)),
    onMessage: (listener) => void process.on('message', listener),
    onGone: onOwnerGone,
    utility: false,
  };
}

/** A window's port within the line. */
class WindowPort implements Port {
  readonly messages: ((message: unknown) => void)[] = [];
  readonly closes: (() => void)[] = [];

  constructor(readonly post: (message: unknown) => void) {}

  onMessage(listener: (message: unknown) => void): void {
    this.messages.push(listener);
  }

  onClose(listener: () => void): void {
    this.closes.push(listener);
  }
}

class ServiceProcess {
  private readonly windows = new Map<number, { port: WindowPort; send: (event: ServiceEvent) => void }>();
  private readonly relay: RelayJobProcesses;
  private readonly workstation: Workstation;
  private ending = false;

  constructor(private readonly line: ShellLine) {
    this.relay = new RelayJobProcesses((message) => line.post(message));
    this.workstation = createWorkstation({
      shell: 'electron',
      homeFolder: homeFolder(),
      cacheFolder: cacheFolder(),
      spawnJob: line.utility ? this.relay.spawn : spawnJob,
      emit: (event) => {
        for (const { send } of this.windows.values()) send(event);
      },
      onActive: (runs) => line.post({ type: 'active', runs }),
    });
    line.onMessage((message) => {
      const known = readToService(message);
      if (known) this.hear(known);
    });
    line.onGone(() => void this.end());
  }

  private hear(message: ToService): void {
    switch (message.type) {
      case 'open':
        return this.open(message.port);
      case 'message':
        return this.windows.get(message.port)?.port.messages.forEach((listener) => listener(message.body));
      case 'close':
        this.windows.get(message.port)?.port.closes.forEach((listener) => listener());
        this.windows.delete(message.port);
        return;
      case 'image': {
        const image = this.workstation.imageFile(message.id);
        return this.line.post({ type: 'image', request: message.request, image });
      }
      case 'end':
        return void this.end();
      default:
        return this.relay.hear(message);
    }
  }

  private open(number: number): void {
    const port = new WindowPort((body) => this.line.post({ type: 'message', port: number, body }));
    this.windows.set(number, { port, send: serve(port, this.workstation.handlers) });
  }

  private async end(): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    await this.workstation.close();
    process.exit(0);
  }
}

const line = shellLine();
if (line) {
  new ServiceProcess(line);
  // Ctrl-C reaches the whole group of processes: the shell decides what it means.
  process.on('SIGINT', () => undefined);
} else {
  process.stderr.write('This program is started by Stillhouse: run `npm start`.\n');
  process.exitCode = 2;
}
