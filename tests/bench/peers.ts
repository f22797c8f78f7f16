import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { cacheFolder } from '../../src-main/runs/places.ts';

/** What the other side of a bench runs on: PyTorch and friends in a virtual environment of their own, made when missing. */
const PACKAGES = ['torch==2.15.0', 'timm==1.0.31', 'onnxruntime', 'onnx', 'onnxscript'];

/** The Python of the benches' virtual environment. @returns null, with the reason printed, when it cannot be made. */
export function peerPython(): string | null {
  const folder = path.join(cacheFolder(), 'bench-peers');
  const python = path.join(folder, 'bin', 'python');
  try {
    if (!existsSync(python)) execFileSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' });
    if (hasPackages(python)) return python;
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return python;
  } catch (error) {
    console.log(`PyTorch could not be installed for comparison: ${String(error)}`);
    return null;
  }
}

/** Whether all packages are there; pip would look each of them up. */
function hasPackages(python: string): boolean {
  const check = 'import sys, importlib.metadata as m\nfor p in sys.argv[1:]:\n n, _, v = p.partition("==")\n assert m.version(n) == (v or m.version(n))'; // prettier-ignore
  try {
    execFileSync(python, ['-c', check, ...PACKAGES], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A process that does rounds of steps on request. */
export interface Contestant {
  label: string;
  /** Seconds of each of `steps` steps, or of what else it is asked by name. */
  round(steps: number | string): Promise<number[]>;
  /** Peak resident memory so far, bytes. */
  peak(): number;
  close(): void;
}

/** Starts a contestant and waits until it has warmed up. */
export async function startContestant(
  label: string,
  command: string,
  args: string[],
  environment: Record<string, string> = {},
): Promise<Contestant> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', process.env.BENCH_VERBOSE ? 'inherit' : 'ignore'],
    env: { ...process.env, ...environment },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let peak = 0;
  const answer = async (): Promise<number[]> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${label} ended early (run with BENCH_VERBOSE=1 to see why)`);
      if (!value.startsWith('{')) continue;
      const reply = JSON.parse(value) as { seconds: number[]; peak: number };
      peak = reply.peak;
      return reply.seconds;
    }
  };
  await answer();
  return {
    label,
    round: (steps) => {
      child.stdin.write(`${steps}\n`);
      return answer();
    },
    peak: () => peak,
    close: () => child.stdin.end(),
  };
}

/** The middle value. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
