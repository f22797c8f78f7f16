import { PLATFORMS, platformOf, type Platform } from '../base/platform.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { foreign } from '../base/foreign.ts';

/** Returns what differs here between systems; that of Linux where there is no engine, whose libraries do not load. */
export function platform(): Platform {
  return PLATFORMS[platformOf() ?? 'linux-x64'];
}

/**
 * Loads a library for good: unloading it at the end would run its destructors under its own live threads.
 * @throws StillhouseError `engine.load` with the words of the system.
 */
export function loadForGood(file: string): void {
  const { keep, libc } = platform();
  const why = 'dlopen' in keep ? openByDlopen(libc, file, keep.dlopen) : openOnWindows(file, keep.loadLibrary);
  if (why !== null) throw new StillhouseError('engine.load', { reason: why });
}

function openByDlopen(libc: string, file: string, flags: number) {
  const library = foreign().load(libc);
  if (library.func('void *dlopen(const char *path, int flags)')(file, flags)) return null;
  return (library.func('const char *dlerror(void)')() as string | null) ?? file;
}

/** Windows finds what the library needs beside it, and keeps it: nobody frees this handle. */
function openOnWindows(file: string, flags: number) {
  const kernel = foreign().load('kernel32.dll');
  const open = kernel.func('void *LoadLibraryExW(const char16_t *path, void *none, uint32_t flags)');
  if (open(file, null, flags)) return null;
  return reason('engine.windows-error', { code: kernel.func('uint32_t GetLastError(void)')() as number });
}
