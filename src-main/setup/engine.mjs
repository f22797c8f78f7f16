import { CLI, runNode } from './steps.mjs';

/** Installs and verifies engines. @returns true when they are ready. */
export async function ensureEngine(devices = ['cpu']) {
  for (const device of devices) {
    const args = [CLI, 'engine', 'install', '--device', device];
    if ((await runNode(args, { stdio: ['inherit', 2, 2] })) !== 0) return false;
  }
  return true;
}
