import { build, ensurePackages, requireNode, runMain } from './steps.mjs';

/** `npm run build`: the bundles, whether or not the sources have changed. */
await runMain(async () => {
  requireNode();
  await ensurePackages();
  await build();
});
