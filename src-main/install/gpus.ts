import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Gpu } from '../protocol/data-types.ts';
import { reason, type Reason } from '../protocol/reasons.ts';

/** Facts about the NVIDIA GPUs of this machine; nothing of CUDA is loaded. */
export interface GpuSurvey {
  /** Version of the loaded driver; null without one. */
  driver: string | null;
  gpus: Gpu[];
  /** NVIDIA's display devices on the bus, with a driver or without. */
  devices: number;
  /** Why the driver did not tell of its GPUs; null when it did, or when there is no driver. */
  complaint: Reason | string | null;
}

/** Names the places where the machine is looked at. */
export interface SurveyPlaces {
  /** Holds `proc` and `sys`; the root by default. */
  root?: string;
  /** Driver programs to try, in order. */
  programs?: readonly string[];
}

// WSL 2 keeps the driver's program off the path.
const PROGRAMS = ['nvidia-smi', '/usr/lib/wsl/lib/nvidia-smi'] as const;
const COLUMNS = ['index', 'name', 'memory.total', 'memory.free', 'compute_cap', 'uuid', 'driver_version'] as const;
const PATIENCE = 20_000;

/** Looks for NVIDIA GPUs and their driver. Nothing is thrown: what is missing is the answer. */
export async function surveyGpus(places: SurveyPlaces = {}): Promise<GpuSurvey> {
  const { root = '/', programs = PROGRAMS } = places;
  const [answer, loaded, devices, listed] = await Promise.all([
    askDriver(programs),
    driverVersion(root),
    busDevices(root),
    procGpus(root),
  ]);
  const gpus = answer.gpus.length > 0 ? answer.gpus : listed;
  const driver = answer.driver ?? loaded;
  const complaint = driver !== null && gpus.length === 0 ? answer.complaint : null;
  return { driver, gpus, devices: Math.max(devices, gpus.length), complaint };
}

interface Answer {
  driver: string | null;
  gpus: Gpu[];
  complaint: Reason | string | null;
}

async function askDriver(programs: readonly string[]): Promise<Answer> {
  const args = [`--query-gpu=${COLUMNS.join(',')}`, '--format=csv,noheader,nounits'];
  let complaint: Reason | string | null = null;
  for (const program of programs) {
    const { found, output, failed } = await run(program, args);
    if (!found) continue;
    const rows = output.split('\n').filter((line) => line.split(',').length === COLUMNS.length);
    if (!failed && rows.length > 0) {
      const cells = rows.map((row) => row.split(',').map((cell) => cell.trim()));
      return { driver: cells[0][6], gpus: cells.map(gpuOf), complaint: null };
    }
    complaint = output.trim().split('\n').at(-1) || reason('gpu.silent', { program });
  }
  return { driver: null, gpus: [], complaint };
}

function gpuOf([index, name, memory, free, capability, uuid]: string[]): Gpu {
  return {
    index: Number(index),
    name,
    memory: mebibytes(memory) ?? 0,
    memoryFree: mebibytes(free),
    capability: numberOf(capability),
    uuid,
  };
}

function mebibytes(cell: string): number | null {
  const value = numberOf(cell);
  return value === null ? null : value * 2 ** 20;
}

// Where a GPU does not know something, `[N/A]` stands instead.
function numberOf(cell: string): number | null {
  return /^[\d.]+$/.test(cell) ? Number(cell) : null;
}

function run(program: string, args: string[]): Promise<{ found: boolean; output: string; failed: boolean }> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: PATIENCE }, (error, stdout, stderr) => {
      const missing = (error as NodeJS.ErrnoException | null)?.code;
      const output = stdout.trim() || stderr.trim();
      resolve({ found: missing !== 'ENOENT' && missing !== 'EACCES', output, failed: error !== null });
    });
  });
}

/** `NVRM version: NVIDIA UNIX … Kernel Module  550.54.14  …` → `550.54.14`. */
async function driverVersion(root: string): Promise<string | null> {
  const text = await readFile(join(root, 'proc/driver/nvidia/version'), 'utf8').catch(() => '');
  return /^NVRM version:.*?\s(\d+\.\d[\d.]*)\s/m.exec(text)?.[1] ?? null;
}

/** GPUs as the kernel's driver lists them, without their memory: for machines without the driver's program. */
async function procGpus(root: string): Promise<Gpu[]> {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  const names = (await readdir(folder).catch(() => [])).sort();
  const texts = await Promise.all(
    names.map((name) => readFile(join(folder, name, 'information'), 'utf8').catch(() => '')),
  );
  const value = (text: string, key: string): string =>
    new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(text)?.[1].trim() ?? '';
  return texts.map((text, index) => ({
    index,
    name: value(text, 'Model') || 'NVIDIA GPU',
    memory: 0,
    memoryFree: null,
    capability: null,
    uuid: value(text, 'GPU UUID'),
  }));
}

const NVIDIA = '0x10de';
const DISPLAY = '0x03';

/** NVIDIA's display controllers on the PCI bus. */
async function busDevices(root: string): Promise<number> {
  const folder = join(root, 'sys/bus/pci/devices');
  const names = await readdir(folder).catch(() => []);
  const read = (name: string, file: string): Promise<string> =>
    readFile(join(folder, name, file), 'utf8').catch(() => '');
  const found = await Promise.all(
    names.map(async (name) => {
      const [vendor, kind] = await Promise.all([read(name, 'vendor'), read(name, 'class')]);
      return vendor.trim() === NVIDIA && kind.startsWith(DISPLAY);
    }),
  );
  return found.filter(Boolean).length;
}

/** Lists the GPUs that `CUDA_VISIBLE_DEVICES` leaves, in its order and numbered anew, as CUDA does. */
export function visibleGpus(gpus: readonly Gpu[], visible: string | undefined): Gpu[] {
  if (visible === undefined) return [...gpus];
  const chosen: Gpu[] = [];
  for (const word of visible.split(',').map((part) => part.trim())) {
    // The GPU behind a name of a part (MIG) is not known here.
    if (word.startsWith('MIG-')) return [...gpus];
    const gpu = gpus.find(({ index, uuid }) => (/^\d+$/.test(word) ? index === Number(word) : isNamed(uuid, word)));
    if (!gpu) break;
    chosen.push(gpu);
  }
  return chosen.map((gpu, index) => ({ ...gpu, index }));
}

function isNamed(uuid: string, word: string): boolean {
  return word.startsWith('GPU-') && uuid.startsWith(word);
}
