import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Returns the path of a file or folder that is built beside the bundles: `job.process.mjs`, `../renderer`. It is looked
 * for beside the bundle that this module is part of, or, run from the sources, in `dist/main`.
 */
export function bundlePath(name: string): string {
  const places = [`./${name}`, `../${name}`, `../../dist/main/${name}`];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? paths[0];
}
