/** Plain data that calls return, by subject. Sizes are bytes, times milliseconds since 1970. */
export * from './system-data.ts';
export * from './dataset-data.ts';
export * from './recipe-data.ts';
export * from './run-data.ts';
