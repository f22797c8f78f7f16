#!/usr/bin/env node
import { pathToFileURL } from 'node:url';
import { CLI, ensureBuild, ensurePackages, requireNode, runMain } from './steps.mjs';

/** The command `stillhouse`: brings packages and bundles up to date when needed, then is the command line itself. */
await runMain(async () => {
  requireNode();
  await ensurePackages();
  await ensureBuild();
  await import(pathToFileURL(CLI).href);
});
