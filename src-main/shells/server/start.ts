import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { cacheFolder, homeFolder } from '../../runs/places.ts';
import { spawnTrainer } from '../../service/trainer-process.ts';
import { createWorkstation } from '../../service/workstation.ts';
import { serve, type Served } from './serve.ts';

export interface StartOptions {
  /** 0 for any free one. */
  port: number;
  /** Address to listen on. */
  host: string;
  /** Key of the address; a random one when left out. */
  token?: string;
}

/**
 * Serves the person's own workstation, with the window that was built beside this bundle.
 * @throws StillhouseError `port.in-use`, `file.missing`.
 */
export function startServer(options: StartOptions): Promise<Served> {
  return serve({
    ...options,
    rendererFolder: builtWindow(),
    workstation: (emit) =>
      createWorkstation({
        shell: 'server',
        homeFolder: homeFolder(),
        cacheFolder: cacheFolder(),
        spawnTrainer,
        emit,
      }),
  });
}

function builtWindow(): string {
  const places = ['../renderer', '../../renderer', '../../../dist/renderer'];
  const folders = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return folders.find((folder) => existsSync(folder)) ?? folders[0]!;
}

/** True when only programs of this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Opens an address in the person's browser; false where there is no display to open one on. */
export function openBrowser(url: string): boolean {
  const { platform, env } = process;
  if (platform === 'linux' && !env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return false;
  const command = { darwin: 'open', win32: 'explorer' }[platform as string] ?? 'xdg-open';
  const child = spawn(command, [url], { stdio: 'ignore', detached: true });
  // The address is printed too: without a browser nothing is lost.
  child.on('error', () => undefined);
  child.unref();
  return true;
}
