import { ensureDebianPackages } from './libraries.mjs';
import { CLI, answers, runNode } from './steps.mjs';

const PIP = ['python3', '-m', 'pip', '--version'];

/** Installs and verifies the engine, with pip itself where that is missing and can be had. @returns true when it is ready. */
export async function ensureEngine() {
  if (await install()) return true;
  if (answers(...PIP)) return false;
  await ensureDebianPackages(['python3-pip']);
  return answers(...PIP) && (await install());
}

async function install() {
  return (await runNode([CLI, 'engine', 'install'], { stdio: ['inherit', 2, 2] })) === 0;
}
