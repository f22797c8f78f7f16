import { spawn } from 'node:child_process';
import { bundlePath } from '../../base/bundle.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { createWorkstation } from '../../service/workstation.ts';
import { serve as serveWindow, type Served } from '../server/serve.ts';
import type { Command } from './command.ts';
import { here } from './local-service.ts';
import { integerValue, textValue } from './options.ts';

const PORT = 7860;

export const serve: Command = {
  name: 'serve',
  summary: 'Serve the window to a browser on this machine.',
  words: '',
  count: [0, 0],
  options: [
    {
      flag: 'port',
      value: 'N',
      help: 'Port to listen on; 0 for any free one. Default 7860, or another when that is taken.',
    },
    {
      flag: 'host',
      value: 'ADDRESS',
      help: 'Address to listen on. Default 127.0.0.1, which only this machine reaches.',
    },
    { flag: 'token', value: 'TEXT', help: 'Key that the address carries. Default: a random one.' },
    { flag: 'open', value: null, help: 'Open the address in a browser.' },
  ],
  run: async (parsed, shell) => {
    const wanted = integerValue(parsed, 'port', 0, 65535);
    const listen = (port: number): Promise<Served> =>
      serveWindow({
        port,
        host: textValue(parsed, 'host') ?? '127.0.0.1',
        token: textValue(parsed, 'token'),
        rendererFolder: bundlePath('../renderer'),
        workstation: (emit) => createWorkstation({ ...here(shell), shell: 'server', emit }),
      });
    // Nobody asked for that very port: another will do.
    const served = await listen(wanted ?? PORT).catch((error: unknown) => {
      if (wanted === undefined && error instanceof StillhouseError && error.code === 'port.in-use') return listen(0);
      throw error;
    });
    const { url, port } = served;
    shell.reporter.result(`Stillhouse is at ${url}\nCtrl-C ends it; runs are saved first.`, {
      type: 'serving',
      url,
      port,
    });
    if (parsed.values.get('open') === true) openBrowser(url);
    await new Promise<void>((resolve) => {
      shell.onInterrupt(
        () => resolve(),
        () => process.exit(130),
      );
    });
    shell.reporter.note('Ending …');
    await served.close();
  },
};

const OPENERS: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'open',
  linux: 'xdg-open',
  win32: 'explorer.exe',
};

// Where there is no browser to open, the printed address is enough.
function openBrowser(url: string): void {
  const opener = OPENERS[process.platform];
  if (!opener) return;
  const child = spawn(opener, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
