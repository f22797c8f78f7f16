import { IMAGE_PATH, SOCKET_PATH, type Host } from '../../src-main/protocol/host.ts';
import type { Port } from '../../src-main/protocol/rpc.ts';
import { StillhouseError } from '../../src-main/protocol/errors.ts';
import { openSocket } from './socket-port.ts';

declare global {
  interface Window {
    /** Present in the desktop shell only. */
    readonly stillhouse?: Host;
  }
}

/** The functions that the window needs from its host, the same in Electron and in a browser. */
export interface Shell {
  /** True where a lost service comes back only with a new window. */
  readonly reloadToReconnect: boolean;
  /** Null in a browser: no native dialogs, no file manager. */
  readonly host: Host | null;
  /** A new port to the service; rejects with `rpc.closed` when it cannot be reached. */
  open(): Promise<Port>;
  imageUrl(id: string): string;
}

/** Returns the shell that this window runs in. */
export function currentShell(): Shell {
  return window.stillhouse ? desktopShell(window.stillhouse) : browserShell();
}

function desktopShell(host: Host): Shell {
  let gone = false;
  host.onClose(() => (gone = true));
  return {
    reloadToReconnect: true,
    host,
    open: () => (gone ? Promise.reject(new StillhouseError('rpc.closed')) : Promise.resolve(host)),
    imageUrl: (id) => host.imageUrl(id),
  };
}

function browserShell(): Shell {
  const address = new URL(SOCKET_PATH, window.location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  return {
    reloadToReconnect: false,
    host: null,
    open: () => openSocket(address.href),
    imageUrl: (id) => IMAGE_PATH + encodeURIComponent(id),
  };
}
