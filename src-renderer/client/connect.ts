import type { InjectionKey } from 'vue';
import { StillhouseError } from '../../src-main/protocol/errors.ts';
import type { ServiceEvent } from '../../src-main/protocol/events.ts';
import { connect, type Client } from '../../src-main/protocol/rpc.ts';
import type { CallName, CallParams, CallResult } from '../../src-main/protocol/service.ts';
import type { Shell } from './shell.ts';

export type Connection = 'connecting' | 'open' | 'lost';

/** A client that outlives its port: it connects again after a cut and tells its stores to read everything anew. */
export interface ServiceClient {
  readonly shell: Shell;
  readonly connection: Connection;
  /** While connecting for the first time, calls wait; while lost, they fail with `rpc.closed` at once. */
  call<Name extends CallName>(name: Name, params: CallParams<Name>): Promise<CallResult<Name>>;
  onEvent(listener: (event: ServiceEvent) => void): void;
  /** Hears of events that were left out because of their form. */
  onFault(listener: (error: StillhouseError) => void): void;
  /** Runs `listener` at each new connection, and now if one is open. */
  onOpen(listener: () => void): void;
  onConnection(listener: (connection: Connection) => void): void;
  /** Tries to connect now rather than after the next pause. */
  retry(): void;
}

export const clientKey: InjectionKey<ServiceClient> = Symbol('client');

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;

/** Connects to the service behind `shell` and stays connected. */
export function keepConnected(shell: Shell): ServiceClient {
  return new KeptClient(shell);
}

class KeptClient implements ServiceClient {
  connection: Connection = 'connecting';
  private client: Client | null = null;
  private opening = false;
  private pause = FIRST_PAUSE;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private first: Promise<void>;
  private readonly events: ((event: ServiceEvent) => void)[] = [];
  private readonly faults: ((error: StillhouseError) => void)[] = [];
  private readonly opens: (() => void)[] = [];
  private readonly connections: ((connection: Connection) => void)[] = [];

  constructor(readonly shell: Shell) {
    this.first = this.open();
  }

  async call<Name extends CallName>(name: Name, params: CallParams<Name>): Promise<CallResult<Name>> {
    if (this.connection === 'connecting') await this.first;
    if (!this.client) throw new StillhouseError('rpc.closed');
    // A plain copy: reactive proxies can cross neither a preload bridge nor a port.
    return this.client.call(name, JSON.parse(JSON.stringify(params)) as CallParams<Name>);
  }

  onEvent(listener: (event: ServiceEvent) => void): void {
    this.events.push(listener);
  }

  onFault(listener: (error: StillhouseError) => void): void {
    this.faults.push(listener);
  }

  onOpen(listener: () => void): void {
    this.opens.push(listener);
    if (this.connection === 'open') listener();
  }

  onConnection(listener: (connection: Connection) => void): void {
    this.connections.push(listener);
  }

  retry(): void {
    clearTimeout(this.timer);
    if (this.connection === 'lost') void this.open();
  }

  /** Opens one port at a time: two of them would tell every event twice. */
  private async open(): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    try {
      const port = await this.shell.open();
      this.opening = false;
      const client = connect(port);
      client.onEvent((event) => this.events.forEach((listener) => listener(event)));
      client.onFault((error) => this.faults.forEach((listener) => listener(error)));
      client.onClose(() => this.lose());
      this.client = client;
      this.pause = FIRST_PAUSE;
      this.become('open');
      this.opens.forEach((listener) => listener());
    } catch {
      this.opening = false;
      this.lose();
    }
  }

  private lose(): void {
    this.client = null;
    this.become('lost');
    if (this.shell.reloadToReconnect) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.open(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  private become(connection: Connection): void {
    this.connection = connection;
    this.connections.forEach((listener) => listener(connection));
  }
}
