import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';
import type { Plugin } from 'vite';

/** Absolute paths, so that the build does not depend on the folder it is started from. */
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Node 12 knows no `node:` specifiers, and nothing else in this bundle may ask for what it lacks. */
const bareBuiltins: Plugin = {
  name: 'stillhouse:bare-builtins',
  renderChunk: (code) => ({ code: code.replace(/require\((["'])node:/g, 'require($1'), map: null }),
};

/** What a program loads at its start: a package is many files, each found, read and parsed for itself. */
const BUNDLED = [
  ...['@tensorflow/tfjs-core', '@tensorflow/tfjs-converter'],
  ...['csv-parse', 'valibot', 'ws', 'yaml', 'yauzl'],
];

export default defineConfig({
  // What runs on a stock Node (>= 20.19) or in a utility process: ES modules, native dependencies from node_modules.
  main: {
    build: {
      outDir: 'dist/main',
      emptyOutDir: true,
      target: 'node20',
      sourcemap: true,
      externalizeDeps: { exclude: BUNDLED },
      rolldownOptions: {
        input: {
          'service.process': at('src-main/service/service.process.ts'),
          'job.process': at('src-main/job-process/job.process.ts'),
          'onnx.worker': at('src-main/job-process/teacher/onnx.worker.ts'),
          'decode.worker': at('src-main/job-process/images/decode.worker.ts'),
          'line.worker': at('src-main/job-process/ranks/line.worker.ts'),
          cli: at('src-main/shells/cli/cli.ts'),
        },
        output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name]-[hash].mjs' },
      },
    },
  },
  // What runs inside Electron beside the window: CommonJS with everything bundled, each file on its own because a
  // sandboxed preload cannot require a chunk. Electron 9 (Node 12) is the oldest that must start it; the target is
  // one lower because private methods, which Node 12 lacks, are rewritten only together with private fields.
  preload: {
    plugins: [bareBuiltins],
    build: {
      outDir: 'dist',
      emptyOutDir: false,
      target: 'node10',
      sourcemap: true,
      externalizeDeps: false,
      isolatedEntries: true,
      rolldownOptions: {
        input: {
          'main/electron': at('src-main/shells/electron/main.ts'),
          'preload/preload': at('src-main/shells/electron/preload.ts'),
        },
        output: { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: 'main/chunks/[name]-[hash].cjs' },
      },
    },
  },
  renderer: {
    root: at('src-renderer'),
    plugins: [vue()],
    // vue-i18n without code generation: the window's policy forbids eval.
    define: { __VUE_I18N_LEGACY_API__: false, __INTLIFY_PROD_DEVTOOLS__: false, __INTLIFY_JIT_COMPILATION__: true },
    build: {
      outDir: 'dist/renderer',
      emptyOutDir: true,
      target: 'chrome83',
      minify: true,
      // Loaded from the disk, not over a network.
      chunkSizeWarningLimit: 2000,
      rolldownOptions: { input: at('src-renderer/index.html'), checks: { pluginTimings: false } },
    },
  },
});
