import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ElectronApplication, Page } from 'playwright/test';
import type { Host } from '../../src-main/protocol/host.ts';
import { CHANNELS } from '../../src-main/shells/electron/channels.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, openElectron, test, type App } from './fixtures.ts';
import { Workbench, settle } from './workbench.ts';

/**
 * Electron's security checklist, one test an item, each by an attack on the running app or, where there is nothing to
 * run, on what configures it. docs/security.md is the list for people.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SHELL = join(ROOT, 'src-main/shells/electron');
const PRELOAD = join(ROOT, 'dist/preload/preload.cjs');
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>;
  build: { electronFuses: Record<string, boolean>; asar: boolean };
};

/** All that the preload script may give a page; the compiler holds it to the interface. */
const GIVEN: Record<keyof Host, 'function' | 'string'> = {
  shell: 'string',
  post: 'function',
  onMessage: 'function',
  onClose: 'function',
  imageUrl: 'function',
  pathOf: 'function',
  pickFolder: 'function',
  pickFile: 'function',
  saveFile: 'function',
  showFile: 'function',
  setMenu: 'function',
  onMenu: 'function',
  tellSettings: 'function',
  onOpen: 'function',
};

declare global {
  interface Window {
    /** What a test's own script leaves behind. */
    noted?: unknown;
  }
}

let home: string;
let app: App;
let page: Page;
let electron: ElectronApplication;
/** A server of the attacker's, and what was asked of it. */
let elsewhere: Server;
let hits: string[];
let remote: string;

test.beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'stillhouse-security-'));
  hits = [];
  elsewhere = createServer((request, response) => {
    hits.push(request.url ?? '');
    if (request.url !== '/private') response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Content-Type', request.url?.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end('window.noted = "run"');
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  remote = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  app = await openElectron({ ...process.env, STILLHOUSE_HOME: home });
  electron = app.electron!;
  page = app.page;
  await page.getByRole('navigation').waitFor();
});

test.afterAll(async () => {
  await app.close();
  elsewhere.closeAllConnections();
  await new Promise((resolve) => elsewhere.close(resolve));
  rmSync(home, { recursive: true, force: true });
});

test.beforeEach(() => {
  hits.length = 0;
});

/** The preferences that Electron gave the window's page. */
const preferences = (): Promise<Record<string, unknown>> =>
  electron.evaluate(({ BrowserWindow }) => {
    const { webContents } = BrowserWindow.getAllWindows()[0];
    return (webContents as unknown as { getLastWebPreferences(): Record<string, unknown> }).getLastWebPreferences();
  });

/** Types of all pages that there are: one window, unless an attack worked. */
const contents = (): Promise<string[]> =>
  electron.evaluate(({ webContents }) => webContents.getAllWebContents().map((each) => each.getType()));

/** Command line of the process that draws the window. */
async function rendererCommand(): Promise<string> {
  const pid = await electron.evaluate(({ BrowserWindow }) =>
    BrowserWindow.getAllWindows()[0].webContents.getOSProcessId(),
  );
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
}

/** The text of everything that is part of the desktop shell and the window. */
function sources(): string {
  const texts: string[] = [];
  for (const folder of [SHELL, join(ROOT, 'src-renderer')])
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (/\.(ts|vue|html)$/.test(entry.name)) texts.push(readFileSync(join(entry.parentPath, entry.name), 'utf8'));
  return texts.join('\n');
}

/** A window that is none of ours, as a mistake or a plugin would open it, and what its page can do. */
async function strange<Result>(
  preferencesOf: Record<string, unknown>,
  html: string,
  ask: (foreign: Page) => Promise<Result>,
): Promise<Result> {
  const opening = electron.waitForEvent('window', { timeout: 0 });
  const id = await electron.evaluate(
    ({ BrowserWindow }, { webPreferences, address }) => {
      const window = new BrowserWindow({ show: false, webPreferences });
      void window.loadURL(address).catch(() => undefined);
      return window.id;
    },
    { webPreferences: preferencesOf, address: `data:text/html,${encodeURIComponent(html)}` },
  );
  const foreign = await opening;
  await foreign.waitForLoadState();
  const result = await ask(foreign);
  await electron.evaluate(({ BrowserWindow }, window) => BrowserWindow.fromId(window)?.destroy(), id);
  await expect.poll(contents).toEqual(['window']);
  return result;
}

test('1. only content of our own is loaded', async () => {
  await electron.evaluate(({ session }) => {
    const asked: string[] = [];
    (globalThis as { asked?: string[] }).asked = asked;
    session.defaultSession.webRequest.onBeforeRequest((details, done) => {
      asked.push(details.url);
      done({});
    });
  });
  await page.reload();
  const bench = new Workbench(app);
  await bench.openData(makeTinyData(join(home, 'images'), { train: 4, val: 2 }));
  await expect(bench.main.getByRole('listbox').getByRole('option').first().locator('img')).toBeVisible();
  for (const link of await page.getByRole('navigation').getByRole('link').all()) await link.click();
  const asked = await electron.evaluate(() => (globalThis as { asked?: string[] }).asked ?? []);
  await electron.evaluate(({ session }) => session.defaultSession.webRequest.onBeforeRequest(null));
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((url) => !/^(app|thumb|data|blob|devtools):/.test(url))).toEqual([]);
  await page.evaluate(async (address) => {
    const image = document.createElement('img');
    image.src = `${address}/image.png`;
    const style = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: `${address}/style.css` });
    const frame = Object.assign(document.createElement('iframe'), { src: `${address}/frame` });
    document.body.append(image, style, frame);
    navigator.sendBeacon(`${address}/beacon`, 'x');
    try {
      new WebSocket(address.replace('http', 'ws')).onerror = () => undefined;
    } catch {
      // A policy may refuse at once.
    }
    await fetch(`${address}/fetch`).catch(() => undefined);
    for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => void setTimeout(resolve));
    for (const element of [image, style, frame]) element.remove();
  }, remote);
  expect(hits).toEqual([]);
});

test('2. a page has no Node', async () => {
  const names = ['require', 'process', 'Buffer', 'module', 'global', '__dirname', 'setImmediate'];
  const types = await page.evaluate(
    (each) => each.map((name) => typeof (window as unknown as Record<string, unknown>)[name]),
    names,
  );
  expect(types).toEqual(names.map(() => 'undefined'));
  expect(await preferences()).toMatchObject({ nodeIntegration: false });
  for (const key of ['nodeIntegrationInWorker', 'nodeIntegrationInSubFrames', 'enableRemoteModule'])
    expect((await preferences())[key] ?? false).toBe(false);
});

test('3. the preload script and the page share no object', async () => {
  expect(await preferences()).toMatchObject({ contextIsolation: true });
  const caught = await page.evaluate(async () => {
    const { stillhouse } = window as unknown as { stillhouse: Host };
    const seen: unknown[] = [];
    const { push } = Array.prototype;
    const { encodeURIComponent: encode } = window;
    Array.prototype.push = function (...items: unknown[]) {
      seen[seen.length] = items;
      return push.apply(this, items);
    };
    window.encodeURIComponent = (text) => {
      seen[seen.length] = text;
      return encode(text);
    };
    stillhouse.onMessage(() => undefined);
    stillhouse.imageUrl('1');
    Array.prototype.push = push;
    window.encodeURIComponent = encode;
    return seen.length;
  });
  expect(caught).toBe(0);
});

test('4. the page is in the sandbox', async () => {
  const own = await preferences();
  expect(own).toMatchObject({ sandbox: true });
  const preload = join(home, 'reach.cjs');
  writeFileSync(
    preload,
    `const reach = (name) => { try { return typeof require(name).readFileSync; } catch { return 'out of reach'; } };
     require('electron').contextBridge.exposeInMainWorld('reached', { fs: reach('fs') });`,
  );
  // A preload script that is in the sandbox can load no module of Node's.
  const webPreferences = { preload, sandbox: own.sandbox, contextIsolation: own.contextIsolation };
  const reached = await strange(webPreferences, '<title>reach</title>', (foreign) =>
    foreign.evaluate(() => (window as unknown as { reached: { fs: string } }).reached.fs),
  );
  expect(reached).toBe('out of reach');
  expect(readFileSync(join(SHELL, 'main.ts'), 'utf8')).toContain('app.enableSandbox()');
  // As root nothing starts with it: whoever wants that says so, and no script of ours does it for others.
  expect(sources()).not.toMatch(/appendSwitch\('no-sandbox/);
});

test('5. every permission is refused', async () => {
  const asked = await page.evaluate(async () => {
    const end = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        (value) => (typeof value === 'string' ? value : 'given'),
        (error: { name?: string; code?: number }) => error.name ?? `code ${error.code}`,
      );
    const place = new Promise((resolve, reject) => navigator.geolocation.getCurrentPosition(resolve, reject));
    return {
      notifications: await end(Notification.requestPermission()),
      place: await end(place),
      microphone: await end(navigator.mediaDevices.getUserMedia({ audio: true })),
      midi: await end(navigator.requestMIDIAccess({ sysex: true })),
      clipboard: await end(navigator.clipboard.readText()),
    };
  });
  expect(asked.notifications).toBe('denied');
  for (const name of ['place', 'microphone', 'midi', 'clipboard'] as const) expect(asked[name]).not.toBe('given');
  // Where a machine lacks a device, the page cannot tell that from a refusal: the handler is asked as Chromium would.
  const kinds = await electron.evaluate(({ session }) => {
    const heard: string[] = [];
    const own = session.defaultSession;
    type Handler = Parameters<typeof own.setPermissionRequestHandler>[0];
    const set = own.setPermissionRequestHandler.bind(own);
    own.setPermissionRequestHandler = (handler: Handler) => {
      for (const kind of ['media', 'geolocation', 'openExternal', 'pointerLock'])
        handler?.(null as never, kind as never, (given) => heard.push(`${kind} ${given}`), {} as never);
      set(handler);
    };
    (globalThis as { heard?: string[] }).heard = heard;
    return heard.length;
  });
  expect(kinds).toBe(0);
  await strange({ sandbox: true }, '<title>asks</title>', () => Promise.resolve());
  const heard = await electron.evaluate(({ session }) => {
    delete (session.defaultSession as { setPermissionRequestHandler?: unknown }).setPermissionRequestHandler;
    return (globalThis as { heard?: string[] }).heard ?? [];
  });
  expect(heard).toEqual(['media false', 'geolocation false', 'openExternal false', 'pointerLock false']);
});

test('6. the same-origin policy holds', async () => {
  expect(await preferences()).toMatchObject({ webSecurity: true });
  // A page without our policy in the way, under the preferences of our window.
  const { webSecurity } = await preferences();
  const read = await strange({ sandbox: true, webSecurity }, '<title>other</title>', (foreign) =>
    foreign.evaluate(
      (url) =>
        Promise.all(
          ['/open', '/private'].map((path) =>
            fetch(url + path).then(
              () => 'read',
              () => 'refused',
            ),
          ),
        ),
      remote,
    ),
  );
  expect(read).toEqual(['read', 'refused']);
  const frame = await page.evaluate(() =>
    fetch('thumb://image/1').then(
      () => 'read',
      () => 'refused',
    ),
  );
  expect(frame).toBe('refused');
});

test('7. a policy by header lets no script or style run but our own', async () => {
  const header = await page.evaluate(() =>
    fetch('/index.html').then((answer) => answer.headers.get('content-security-policy')),
  );
  expect(header).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
  expect(header).not.toMatch(/unsafe|\*|https?:/);
  const blocked = await page.evaluate(async () => {
    const heard: string[] = [];
    const listen = (event: SecurityPolicyViolationEvent) => heard.push(event.effectiveDirective);
    document.addEventListener('securitypolicyviolation', listen);
    const script = Object.assign(document.createElement('script'), { textContent: 'window.noted = 1' });
    const data = Object.assign(document.createElement('script'), { src: 'data:text/javascript,window.noted=2' });
    const style = Object.assign(document.createElement('style'), { textContent: 'body { --noted: 3 }' });
    const base = Object.assign(document.createElement('base'), { href: 'https://example.com/' });
    const image = document.createElement('img');
    image.setAttribute('onerror', 'window.noted = 4');
    image.src = 'app://stillhouse/none.png';
    const form = Object.assign(document.createElement('form'), { action: 'app://stillhouse/', method: 'post' });
    document.body.append(script, data, style, image, form);
    document.head.append(base);
    form.submit();
    // A timer with a text is eval by another name.
    setTimeout('window.noted = 5' as unknown as () => void);
    for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => void setTimeout(resolve));
    document.removeEventListener('securitypolicyviolation', listen);
    for (const element of [script, data, style, base, image, form]) element.remove();
    return [...new Set(heard.map((name) => name.split('-src')[0]))].sort();
  });
  expect(blocked).toEqual(['base-uri', 'form-action', 'script', 'style']);
  expect(await page.evaluate(() => window.noted)).toBeUndefined();
});

test('8. nothing insecure runs beside it', async () => {
  expect((await preferences()).allowRunningInsecureContent ?? false).toBe(false);
  await page.evaluate(async (address) => {
    const script = Object.assign(document.createElement('script'), { src: `${address}/script.js` });
    document.body.append(script);
    for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => void setTimeout(resolve));
    script.remove();
  }, remote);
  expect(await page.evaluate(() => window.noted)).toBeUndefined();
  expect(hits).toEqual([]);
  expect(sources()).not.toMatch(/allowRunningInsecureContent|allow-running-insecure/);
});

test('9. no experimental feature is on', async () => {
  expect((await preferences()).experimentalFeatures ?? false).toBe(false);
  expect(await rendererCommand()).not.toMatch(/--enable-experimental|--enable-features=\S*Experimental/);
  expect(sources()).not.toMatch(/experimentalFeatures|enable-experimental|appendSwitch|js-flags/);
});

test('10. no feature of Blink is switched on', async () => {
  expect((await preferences()).enableBlinkFeatures ?? '').toBe('');
  expect(await rendererCommand()).not.toContain('--enable-blink-features');
  expect(sources()).not.toContain('enableBlinkFeatures');
});

test('11. a <webview> with allowpopups is nothing', async () => {
  expect(await preferences()).toMatchObject({ webviewTag: false });
  expect(sources()).not.toMatch(/<webview|allowpopups/i);
  await page.evaluate((address) => {
    const view = document.createElement('webview');
    for (const [name, value] of Object.entries({ src: address, allowpopups: '', nodeintegration: '' }))
      view.setAttribute(name, value);
    document.body.append(view);
  }, remote);
  await settle(page, electron);
  await page.evaluate(() => document.querySelector('webview')?.remove());
  expect(await contents()).toEqual(['window']);
  expect(hits).toEqual([]);
});

test('12. a <webview> is not even created where its tag is on', async () => {
  const html = `<webview src="${remote}" preload="file://${PRELOAD}" style="width:90px;height:90px"></webview>`;
  const types = await strange({ webviewTag: true, sandbox: true }, html, async () => {
    await settle(page, electron);
    return contents();
  });
  expect(types).toEqual(['window', 'window']);
  expect(hits).toEqual([]);
});

test('13. the window goes nowhere', async () => {
  const address = page.url();
  const tries: ((url: string) => void)[] = [
    (url) => void (location.href = url),
    (url) => location.replace(url),
    (url) => {
      const link = Object.assign(document.createElement('a'), { href: url });
      document.body.append(link);
      link.click();
      link.remove();
    },
  ];
  for (const target of [remote, 'file:///etc/passwd', 'app://elsewhere/index.html', 'thumb://image/1'])
    for (const attempt of tries) await page.evaluate(attempt, target).catch(() => undefined);
  await page.evaluate(() => void (location.href = 'javascript:void(window.noted = "gone")'));
  await settle(page, electron);
  expect(page.url()).toBe(address);
  expect(await page.evaluate(() => window.noted)).toBeUndefined();
  expect(hits).toEqual([]);
  // A page without our policy is held as well.
  await strange({ sandbox: true }, '<title>other</title>', async (foreign) => {
    await foreign.evaluate((url) => void (location.href = url), remote);
    await settle(foreign, electron);
  });
  expect(hits).toEqual([]);
});

test('14. no window opens', async () => {
  for (const target of [remote, 'app://stillhouse/', 'about:blank', 'data:text/html,x']) {
    await page.evaluate((url) => {
      setTimeout(() => (window.noted = window.open(url) === null));
    }, target);
    await page.waitForFunction(() => window.noted !== undefined);
    expect(await page.evaluate(() => window.noted)).toBe(true);
    await page.evaluate(() => delete window.noted);
  }
  const link = `<a href="${remote}" target="_blank">more</a>`;
  await strange({ sandbox: true }, link, async (foreign) => {
    // In one go: Electron 9 leaves a page that was refused a window waiting for it.
    await foreign.evaluate((url) => {
      setTimeout(() => {
        document.querySelector('a')!.click();
        window.open(url);
      });
    }, remote);
    await settle(page, electron);
    expect(await contents()).toEqual(['window', 'window']);
  });
  expect(hits).toEqual([]);
});

test('15. nothing is handed to the system to open', async () => {
  const spied = await electron.evaluate(({ shell }) => {
    const opened: string[] = [];
    (globalThis as { opened?: string[] }).opened = opened;
    const spies = shell as unknown as Record<string, (what: string) => unknown>;
    for (const name of ['openExternal', 'openPath', 'openItem', 'showItemInFolder'])
      if (typeof spies[name] === 'function') spies[name] = (what) => void opened.push(what);
    return opened.length;
  });
  expect(spied).toBe(0);
  const opened = () => electron.evaluate(() => (globalThis as { opened?: string[] }).opened ?? []);
  const addresses = ['file:///etc/passwd', 'javascript:alert(1)', 'smb://evil.example/share', 'mailto:a@evil.example'];
  for (const address of [...addresses, 'https://evil.example/']) {
    await page.evaluate(async (url) => {
      const { stillhouse } = window as unknown as { stillhouse: Host };
      const link = Object.assign(document.createElement('a'), { href: url, target: '_blank' });
      document.body.append(link);
      link.click();
      link.remove();
      window.open(url);
      await stillhouse.showFile(url);
    }, address);
  }
  for (const path of ['\\\\evil.example\\share\\x', '//evil.example/share/x', 'relative/file', join(home, 'none')])
    await page.evaluate((file) => (window as unknown as { stillhouse: Host }).stillhouse.showFile(file), path);
  await settle(page, electron);
  expect(await opened()).toEqual([]);
  await page.evaluate((file) => (window as unknown as { stillhouse: Host }).stillhouse.showFile(file), home);
  expect(await opened()).toEqual([home]);
  expect(sources()).not.toMatch(/\bshell\.(openExternal|openPath|openItem)/);
});

test('16. Electron is one of the three majors that get fixes', () => {
  const pinned = PACKAGE.devDependencies.electron;
  expect(pinned).toMatch(/^\d+\.\d+\.\d+$/);
  // Every release there was when the packages were last updated, by Electron's own list.
  const require = createRequire(import.meta.url);
  const releases = Object.keys(require('electron-to-chromium/full-versions') as Record<string, string>);
  const stable = releases.filter((version) => !version.includes('-')).map((version) => parseInt(version));
  expect(parseInt(pinned)).toBeGreaterThan(Math.max(...stable) - 3);
});

test('17. who sends a message is asked before it is read', async () => {
  // Our channels, without our preload script in the way.
  const bare = join(home, 'bare.cjs');
  const channels = Object.values(CHANNELS);
  writeFileSync(
    bare,
    `const { contextBridge, ipcRenderer } = require('electron');
     const heard = [];
     ipcRenderer.on('${CHANNELS.rpc}', (_event, message) => heard.push(message));
     contextBridge.exposeInMainWorld('bare', {
       heard: () => heard,
       send: (channel, value) => ipcRenderer.send(channel, value),
       ask: (channel) => ipcRenderer.invoke(channel, 'x').then(() => 'answered', (error) => error.message),
     });`,
  );
  interface Bare {
    heard(): unknown[];
    send(channel: string, value: unknown): void;
    ask(channel: string): Promise<string>;
  }
  const webPreferences = { preload: bare, sandbox: true, contextIsolation: true };
  const { answers, heard } = await strange(webPreferences, '<title>elsewhere</title>', (foreign) =>
    foreign.evaluate(async (names) => {
      const { bare: line } = window as unknown as { bare: Bare };
      line.send('stillhouse:rpc', { id: 1, call: 'system.info', params: {} });
      const answered = await Promise.all(names.map((name) => line.ask(name)));
      for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => void setTimeout(resolve));
      return { answers: answered, heard: line.heard() };
    }, channels),
  );
  expect(heard).toEqual([]);
  expect(answers.filter((answer) => !/refused|No handler registered/.test(answer))).toEqual([]);
  expect(answers.filter((answer) => answer.includes('refused')).length).toBeGreaterThanOrEqual(4);
});

test('18. files are shown by a scheme of our own, and by no path', async () => {
  expect(page.url()).toMatch(/^app:\/\/stillhouse\//);
  expect(sources()).not.toMatch(/loadFile\(|loadURL\([^)]*file:|registerFileProtocol|interceptFileProtocol/);
  const status = (address: string): Promise<number | string> =>
    page.evaluate(
      (url) =>
        fetch(url).then(
          (answer) => answer.status,
          () => 'refused',
        ),
      address,
    );
  for (const path of [
    '/%2e%2e/%2e%2e/package.json',
    '/..%2f..%2fpackage.json',
    '/%2e%2e%5c%2e%2e%5cpackage.json',
    '/%00',
  ])
    expect(await status(path)).not.toBe(200);
  expect(await status('app://elsewhere/index.html')).not.toBe(200);
  expect(await status('file:///etc/passwd')).toBe('refused');
  const shown = (address: string): Promise<string> =>
    page.evaluate(
      (url) =>
        new Promise<string>((resolve) => {
          const image = new Image();
          image.onload = () => resolve('shown');
          image.onerror = () => resolve('nothing');
          image.src = url;
        }),
      address,
    );
  const icon = join(ROOT, 'resources/icons/256x256.png');
  expect(existsSync(icon)).toBe(true);
  expect(await shown(`thumb://image/${encodeURIComponent(icon)}`)).toBe('nothing');
  expect(await shown(`thumb://image/..%2f..%2f${encodeURIComponent(icon)}`)).toBe('nothing');
  expect(await shown(`file://${icon}`)).toBe('nothing');
});

test('19. the fuses of a release are set, and nothing needs what they take away', () => {
  expect(PACKAGE.build.electronFuses).toEqual({
    runAsNode: false,
    enableCookieEncryption: true,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true,
    loadBrowserProcessSpecificV8Snapshot: false,
    grantFileProtocolExtraPrivileges: false,
    // Flipping fuses breaks the signature that Apple silicon asks for.
    resetAdHocDarwinSignature: true,
  });
  expect(PACKAGE.build.asar).toBe(true);
  // Without RunAsNode the binary cannot be a Node: processes beside it are utility processes.
  const child = readFileSync(join(SHELL, 'child.ts'), 'utf8');
  expect(child).toContain('utilityProcess.fork(script');
  expect(child).not.toMatch(/execPath: process\.execPath|fork\(process\.execPath/);
});

test('20. no object of Electron reaches the page', async () => {
  const given = await page.evaluate(() => {
    const { stillhouse } = window as unknown as { stillhouse: Record<string, unknown> };
    return {
      frozen: Object.isFrozen(stillhouse),
      types: Object.fromEntries(Object.entries(stillhouse).map(([name, value]) => [name, typeof value])),
    };
  });
  expect(given).toEqual({ frozen: true, types: GIVEN });
  await page.evaluate(() => {
    const { stillhouse } = window as unknown as { stillhouse: Host };
    const all: unknown[] = [];
    const note = (...parts: unknown[]) => void all.push(...parts);
    Object.assign(window, { all });
    stillhouse.onMenu(note);
    stillhouse.onMessage(note);
    stillhouse.post({ id: 987_654, call: 'job.list', params: {} });
  });
  await electron.evaluate(({ BrowserWindow }, channel) => {
    BrowserWindow.getAllWindows()[0].webContents.send(channel, 'data');
  }, CHANNELS.menu);
  const all = () => page.evaluate(() => (window as unknown as { all: unknown[] }).all);
  await expect.poll(async () => (await all()).includes('data') && (await all()).length > 1).toBe(true);
  const heard = await all();
  // What a listener hears is the payload alone: an event would carry `sender`, and with it ipcRenderer.
  expect(heard.filter((part) => typeof part === 'object' && part !== null && 'sender' in part)).toEqual([]);
  expect(heard).toContain('data');
});
