import { createPinia, setActivePinia } from 'pinia';
import { createApp } from 'vue';
import { StillhouseError } from '../../src-main/protocol/errors.ts';
import { serve } from '../../src-main/protocol/rpc.ts';
import { clientKey, keepConnected, type ServiceClient } from '../../src-renderer/client/connect.ts';
import type { Shell } from '../../src-renderer/client/shell.ts';
import { portPair } from './port-pair.ts';
import type { ScriptedService } from './scripted-service.ts';
import { eventually } from './wait.ts';

/** The real client over a real port to a scripted service, in an application without a window. */
export interface WindowClient {
  client: ServiceClient;
  /** Whether a new port can be opened; how many were. */
  reachable: boolean;
  opened: number;
  /** Cuts the port that was opened last. */
  cut(): void;
}

/** Opens a window's stores, without the window, on a service. */
export function windowClient(service: ScriptedService): WindowClient {
  let close = (): void => undefined;
  const state = { reachable: true, opened: 0, cut: () => close() };
  const shell: Shell = {
    reloadToReconnect: false,
    host: null,
    open: async () => {
      if (!state.reachable) throw new StillhouseError('rpc.closed');
      state.opened++;
      const pair = portPair();
      service.onEvent(serve(pair.far, service.handlers));
      close = pair.close;
      return pair.near;
    },
    imageUrl: (id) => `/image/${id}`,
  };
  const client = keepConnected(shell);
  const pinia = createPinia();
  createApp({}).use(pinia).provide(clientKey, client);
  setActivePinia(pinia);
  return Object.assign(state, { client });
}

/** Waits for what the window shows, on any machine. */
export const waitFor = <Found>(look: () => Found): Promise<Found> => eventually(look);
