import { availableParallelism } from 'node:os';

/** How many tests that compute run at once: more than cores slow one another down, and each takes over a gigabyte. */
export const CORES = Math.min(3, Math.max(2, availableParallelism()));
