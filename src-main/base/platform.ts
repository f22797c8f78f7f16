import { reason, type Reason } from '../protocol/reasons.ts';

/**
 * Says what differs between the systems that have an engine. Whatever else goes by the system asks Node.
 *
 * To add a system: its row here, and its pins by `resources/engine/pin.py`.
 */
export interface Platform {
  /** Ends of the names of wheels whose libraries load here. */
  wheels: RegExp;
  /** The C library, as the loader finds it. */
  libc: string;
  /** The libraries of the engine; the profiler's names are the second one's. */
  tensorflow: string;
  framework: string;
  /** How a library is loaded for good: a flag of `dlopen`, or of Windows' `LoadLibraryExW`. */
  keep: { dlopen: number } | { loadLibrary: number };
  /** Whether the C library is glibc, which has `mallopt`. */
  glibc: boolean;
  /** Whether TensorFlow exports its profiler. */
  profiler: boolean;
  /** Whether TensorFlow has the ops of oneDNN. */
  oneDnn: boolean;
}

/** A function is found when it is first called: there are 150,000 of them, and a job calls few. */
const RTLD_LAZY = 1;

const LINUX = {
  libc: 'libc.so.6',
  tensorflow: 'libtensorflow_cc.so.2',
  framework: 'libtensorflow_framework.so.2',
  // RTLD_NODELETE
  keep: { dlopen: RTLD_LAZY | 0x1000 },
  glibc: true,
  profiler: true,
  oneDnn: true,
} as const;

/** The systems that have an engine, by `process.platform` and `process.arch`. */
export const PLATFORMS = {
  'linux-x64': { ...LINUX, wheels: /manylinux\w+_x86_64\.whl$/ },
  'linux-arm64': { ...LINUX, wheels: /manylinux\w+_aarch64\.whl$/ },
  'darwin-arm64': {
    wheels: /macosx_\w+_arm64\.whl$/,
    libc: '/usr/lib/libSystem.B.dylib',
    tensorflow: 'libtensorflow_cc.2.dylib',
    framework: 'libtensorflow_framework.2.dylib',
    // RTLD_NODELETE
    keep: { dlopen: RTLD_LAZY | 0x80 },
    glibc: false,
    profiler: true,
    oneDnn: false,
  },
  'win32-x64': {
    wheels: /win_amd64\.whl$/,
    libc: 'ucrtbase.dll',
    tensorflow: '_pywrap_tensorflow_common.dll',
    framework: '_pywrap_tensorflow_common.dll',
    // LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
    keep: { loadLibrary: 0x1100 },
    glibc: false,
    profiler: false,
    oneDnn: true,
  },
} as const satisfies Record<string, Platform>;

export type PlatformName = keyof typeof PLATFORMS;

/** A machine, as far as it decides which libraries load on it. */
export interface Machine {
  system: string;
  processor: string;
  /** Linux whose C library is musl: no wheel for glibc loads there. */
  musl: boolean;
}

/** Describes this machine. */
export function thisMachine(): Machine {
  const { platform: system, arch: processor } = process;
  return { system, processor, musl: system === 'linux' && !runsOnGlibc() };
}

let glibc: boolean | undefined;

// Node names the glibc that it runs on.
function runsOnGlibc(): boolean {
  if (glibc !== undefined) return glibc;
  const { report } = process as { report?: { excludeNetwork?: boolean; getReport(): object } };
  if (!report) return (glibc = true);
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return (glibc = header?.glibcVersionRuntime !== undefined);
}

/** Returns the row of a machine, or null where it has no engine. */
export function platformOf(machine: Machine = thisMachine()): PlatformName | null {
  const name = `${machine.system}-${machine.processor}`;
  return name in PLATFORMS && !machine.musl ? (name as PlatformName) : null;
}

/** Names a machine for people, as `linux x64`. */
export function machineName({ system, processor, musl }: Machine = thisMachine()): string {
  return `${system} ${processor}${musl ? ' musl' : ''}`;
}

/** Returns the system that a wheel's libraries are for, by its file name; null where they fit every one. */
export function systemOfWheel(file: string): PlatformName | null {
  const names = Object.keys(PLATFORMS) as PlatformName[];
  return names.find((name) => PLATFORMS[name].wheels.test(file)) ?? null;
}

/** Says what to use in place of a machine that has no engine. */
export function whatInstead({ system, processor, musl }: Machine = thisMachine()): Reason {
  if (musl) return reason('platform.musl');
  if (system === 'darwin') return reason('platform.intel-mac');
  if (system === 'win32' && processor === 'arm64') return reason('platform.windows-arm');
  return reason('platform.other');
}
