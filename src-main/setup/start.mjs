import { obtainElectron } from './electron.mjs';
import { ensureWindowLibraries, setUp } from './setup.mjs';
import { CLI, ROOT, runMain, run, runNode, say } from './steps.mjs';

/**
 * `npm start`: sets everything up, then opens the desktop window, or where there can be none the same app in a
 * browser, saying why. `npm start -- --browser` asks for the browser; other options go to `stillhouse serve`.
 */
const TOO_SOON = 10_000;

await runMain(async () => {
  const options = process.argv.slice(2);
  await setUp();
  const reason = await openDesktop(options);
  if (reason === null) return;
  say(`Opening in a browser: ${reason}.`);
  const rest = options.filter((option) => option !== '--browser' && option !== '--no-sandbox');
  process.exitCode = await runNode([CLI, 'serve', '--open', ...rest]);
});

/** @returns null when the desktop window has been open, else why it could not be. */
async function openDesktop(options) {
  if (options.includes('--browser')) return 'you asked for it';
  const { platform, env } = process;
  if (platform === 'linux' && !env.DISPLAY && !env.WAYLAND_DISPLAY) return 'there is no display here';
  const root = platform === 'linux' && process.getuid() === 0;
  if (root && !options.includes('--no-sandbox'))
    return 'a desktop window does not run as root with its sandbox (npm start -- --no-sandbox opens one without)';
  const electron = await obtainElectron();
  if (!electron) return 'Electron is not here and could not be fetched';
  const missing = await ensureWindowLibraries();
  if (missing.length > 0) return `Electron needs system packages that are missing (${missing.join(' ')})`;
  const started = Date.now();
  const code = await run(electron, root ? ['--no-sandbox', ROOT] : [ROOT]);
  return code !== 0 && Date.now() - started < TOO_SOON ? `Electron ended at once with code ${code}` : null;
}
