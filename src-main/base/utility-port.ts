/** The message port of an Electron utility process. */
export interface UtilityPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: { data: unknown }) => void): void;
}

/** Returns the port to Electron's main process; undefined in any process but a utility process. */
export function utilityPort(): UtilityPort | undefined {
  return (process as unknown as { parentPort?: UtilityPort }).parentPort;
}
