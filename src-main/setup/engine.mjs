import { ensureDebianPackages } from './libraries.mjs';
import { CLI, answers, runNode } from './steps.mjs';

const PIP = ['python3', '-m', 'pip', '--version'];

/** Installs and verifies engines, with pip itself where that is missing and can be had. @returns true when it is ready. */
export async function ensureEngine(devices = ['cpu']) {
  if (await install(devices)) return true;
  if (answers(...PIP)) return false;
  await ensureDebianPackages(['python3-pip']);
  return answers(...PIP) && (await install(devices));
}

async function install(devices) {
  for (const device of devices) {
    const args = [CLI, 'engine', 'install', '--device', device];
    if ((await runNode(args, { stdio: ['inherit', 2, 2] })) !== 0) return false;
  }
  return true;
}
