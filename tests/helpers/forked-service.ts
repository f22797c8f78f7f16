import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { connect, type Client } from '../../src-main/protocol/rpc.ts';
import type { ImageFile } from '../../src-main/service/data/datasets.ts';
import type { FromService, ToService } from '../../src-main/service/service-link.ts';

const SERVICE = fileURLToPath(new URL('../../dist/main/service.process.mjs', import.meta.url));
const JOB = fileURLToPath(new URL('../../dist/main/job.process.mjs', import.meta.url));
/** Makes a stock Node look like a utility process. */
const UTILITY = fileURLToPath(new URL('./utility-port.mjs', import.meta.url));

/**
 * The built service in a process of its own, with this test in the place of Electron's main process: it opens windows,
 * and, where the service is in a utility process, starts its job processes.
 */
export class ForkedService {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Job processes that were started on the service's behalf. */
  readonly jobProcesses = new Map<number, ChildProcess>();
  readonly active: number[] = [];
  private readonly windows = new Map<number, { message(body: unknown): void; close(): void }>();
  private readonly images = new Map<number, (image: ImageFile | null) => void>();
  /** What else the environment of job processes says that are started for the service. */
  jobEnvironment: Record<string, string> = {};
  private next = 0;

  constructor(
    private readonly env: Record<string, string>,
    private readonly utility = false,
  ) {
    this.process = this.start(SERVICE);
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
    this.process.on('message', (message) => this.hear(message as FromService));
  }

  /** A window's client. */
  window(): { client: Client; close(): void } {
    const port = this.next++;
    const messages: ((body: unknown) => void)[] = [];
    const closes: (() => void)[] = [];
    this.windows.set(port, {
      message: (body) => messages.forEach((listener) => listener(body)),
      close: () => closes.forEach((listener) => listener()),
    });
    this.send({ type: 'open', port });
    const client = connect({
      post: (body) => this.send({ type: 'message', port, body }),
      onMessage: (listener) => messages.push(listener),
      onClose: (listener) => closes.push(listener),
    });
    return { client, close: () => this.send({ type: 'close', port }) };
  }

  image(id: string): Promise<ImageFile | null> {
    const request = this.next++;
    this.send({ type: 'image', request, id });
    return new Promise((resolve) => this.images.set(request, resolve));
  }

  send(message: ToService): void {
    if (this.process.connected) this.process.send(message);
  }

  private start(script: string, extra: Record<string, string> = {}): ChildProcess {
    const execArgv = this.utility ? ['--import', UTILITY] : [];
    return fork(script, [], {
      execArgv,
      env: { ...extra, ...process.env, ...this.env },
      stdio: ['ignore', script === JOB ? 'pipe' : 'inherit', script === JOB ? 'pipe' : 'inherit', 'ipc'],
    });
  }

  private hear(message: FromService): void {
    switch (message.type) {
      case 'message':
        return this.windows.get(message.port)?.message(message.body);
      case 'image':
        return this.images.get(message.request)?.(message.image);
      case 'active':
        return void this.active.push(message.runs);
      case 'job-start':
        return this.startJobProcess(message.process, message.env);
      case 'job-message':
        return void this.jobProcesses.get(message.process)?.send(message.body as object);
      case 'job-kill':
        return void this.jobProcesses.get(message.process)?.kill('SIGKILL');
    }
  }

  private startJobProcess(number: number, env: Record<string, string>): void {
    const child = this.start(JOB, { ...env, ...this.jobEnvironment });
    this.jobProcesses.set(number, child);
    child.on('message', (body) => this.send({ type: 'job-message', process: number, body }));
    for (const stream of [child.stdout, child.stderr])
      stream
        ?.setEncoding('utf8')
        .on('data', (text: string) => this.send({ type: 'job-output', process: number, text }));
    child.on('close', (code, signal) => this.send({ type: 'job-exit', process: number, code, signal }));
  }
}
