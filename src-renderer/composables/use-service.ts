import { inject } from 'vue';
import { clientKey, type ServiceClient } from '../client/connect.ts';

/** Returns the client that the application provides; for use inside a store's setup. */
export function useService(): ServiceClient {
  const client = inject(clientKey);
  if (!client) throw new Error('useService: no client is provided');
  return client;
}
