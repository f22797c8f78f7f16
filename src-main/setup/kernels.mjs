import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './steps.mjs';

/**
 * `npm run kernels`: compiles `data/decode/pixel-kernels.as` into `data/decode/kernel-bytes.ts`. The compiler is fetched by npx when it
 * is needed: with the optimizer it brings it is larger than everything else that development needs.
 */
const COMPILER = 'assemblyscript@0.28.20';
const OPTIONS = ['-O3', '--runtime', 'stub', '--importMemory', '--enable', 'simd', '--noAssert'];

const source = readFileSync(join(ROOT, 'src-main/data/decode/pixel-kernels.as'));
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-kernels-'));
try {
  // The compiler takes no other name than *.ts.
  writeFileSync(join(folder, 'kernels.ts'), source);
  const npx = ['--yes', '--package', COMPILER, '--', 'asc', 'kernels.ts', ...OPTIONS, '-o', 'kernels.wasm'];
  execFileSync('npx', npx, { cwd: folder, stdio: 'inherit' });
  const bytes = readFileSync(join(folder, 'kernels.wasm')).toString('base64');
  const digest = createHash('sha256').update(source).digest('hex');
  const lines = [
    `/** Made by \`npm run kernels\` from pixel-kernels.as with ${COMPILER}; SHA-256 of that file and the module. */`,
    `export const SOURCE = '${digest}';`,
    'export const BYTES =',
    `  '${bytes}';`,
  ];
  writeFileSync(join(ROOT, 'src-main/data/decode/kernel-bytes.ts'), `${lines.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
