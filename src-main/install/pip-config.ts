import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * pip's settings that say where packages come from, read from its own files and variables, so that a machine that is
 * set up for pip needs nothing more. pip itself need not be there.
 */
export interface PipConfig {
  /** The index in place of the usual one; null where none is set. */
  index: string | null;
  extraIndexes: string[];
  /** Folders and pages that hold packages. */
  findLinks: string[];
  /** Whether no index may be asked. */
  noIndex: boolean;
  proxy: string | null;
  /** A file of certificates. */
  cert: string | null;
}

/** Names the places where settings come from; of this machine by default. */
export interface PipPlaces {
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  home: string;
  /** Where the machine's own files lie; `/` but for tests. */
  root: string;
}

const HERE = (): PipPlaces => ({ env: process.env, platform: process.platform, home: homedir(), root: '/' });

/** Reads pip's settings in its own order: of the machine, the person, the environment in use, PIP_CONFIG_FILE, PIP_*. */
export function readPipConfig(places: PipPlaces = HERE()): PipConfig {
  const { env } = places;
  const values = new Map<string, string>();
  for (const file of configFiles(places)) for (const [key, value] of readConfig(file)) values.set(key, value);
  const get = (key: string): string =>
    env[`PIP_${key.toUpperCase().replaceAll('-', '_')}`] ??
    values.get(`download.${key}`) ??
    values.get(`global.${key}`) ??
    '';
  const words = (key: string): string[] => get(key).split(/\s+/).filter(Boolean);
  return {
    index: get('index-url') || null,
    extraIndexes: words('extra-index-url'),
    findLinks: words('find-links'),
    noIndex: /^(1|true|yes|on|y|t)$/i.test(get('no-index')),
    proxy: get('proxy') || null,
    cert: get('cert') || null,
  };
}

function configFiles(places: PipPlaces): string[] {
  const { env, platform } = places;
  const own = env.PIP_CONFIG_FILE;
  // pip's word for none at all.
  if (own === '/dev/null' || own === 'nul') return [];
  const name = platform === 'win32' ? 'pip.ini' : 'pip.conf';
  const virtual = env.VIRTUAL_ENV ? [join(env.VIRTUAL_ENV, name)] : [];
  return [...machineFiles(places), ...personFiles(places), ...virtual, ...(own ? [own] : [])];
}

function machineFiles({ env, platform, root }: PipPlaces): string[] {
  if (platform === 'win32') return [join(env.PROGRAMDATA ?? 'C:\\ProgramData', 'pip', 'pip.ini')];
  if (platform === 'darwin') return [join(root, 'Library', 'Application Support', 'pip', 'pip.conf')];
  const folders = (env.XDG_CONFIG_DIRS || '/etc/xdg').split(delimiter);
  return [...folders.map((folder) => join(folder, 'pip', 'pip.conf')), join(root, 'etc', 'pip.conf')];
}

function personFiles({ env, platform, home }: PipPlaces): string[] {
  if (platform === 'win32')
    return [join(home, 'pip', 'pip.ini'), join(env.APPDATA ?? join(home, 'AppData', 'Roaming'), 'pip', 'pip.ini')];
  const mac = join(home, 'Library', 'Application Support', 'pip');
  const common = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'pip');
  const folder = platform === 'darwin' && existsSync(mac) ? mac : common;
  return [join(home, '.pip', 'pip.conf'), join(folder, 'pip.conf')];
}

/** Returns the values of a file by `section.key`; none where it cannot be read, as pip does. */
function readConfig(file: string): Map<string, string> {
  try {
    return parseConfig(readFileSync(file, 'utf8'));
  } catch {
    return new Map();
  }
}

/** Parses Python's configuration files: sections, `key = value` or `key: value`, further lines indented. */
export function parseConfig(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let section = '';
  let key: string | null = null;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const more = /^\s/.test(line);
    if (more && key !== null) {
      values.set(key, `${values.get(key)}\n${line.trim()}`.trim());
      continue;
    }
    const title = /^\[(.+)\]/.exec(line);
    const [, name, value] = /^([^=:]+?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (title) [section, key] = [title[1].trim().toLowerCase(), null];
    else if (name !== undefined) {
      key = `${section}.${name.trim().toLowerCase().replaceAll('_', '-').replace(/^--/, '')}`;
      values.set(key, value);
    }
  }
  return values;
}
