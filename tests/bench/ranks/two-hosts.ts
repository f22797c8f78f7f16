import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../../../src-main/runs/places.ts';
import { buildPrograms } from '../../helpers/build.ts';
import { stateHash } from '../../helpers/killed-run.ts';
import { makeTinyData } from '../../helpers/tiny-data.ts';

/**
 * Two network namespaces of Linux with a cable between them, as two machines with one disk. Needs root and `ip`
 * (Debian's iproute2).
 */
const HOSTS = [0, 1].map((at) => ({ name: `stillhouse-${process.pid}-${at}`, link: `still${at}`, address: `10.77.0.${at + 1}` })); // prettier-ignore

const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' });

function joinHosts(): void {
  const [one, other] = HOSTS;
  for (const { name } of HOSTS) ip('netns', 'add', name);
  ip('link', 'add', one.link, 'netns', one.name, 'type', 'veth', 'peer', 'name', other.link, 'netns', other.name);
  for (const { name, link, address } of HOSTS) {
    ip('-n', name, 'address', 'add', `${address}/24`, 'dev', link);
    for (const device of ['lo', link]) ip('-n', name, 'link', 'set', device, 'up');
  }
}

const plug = (state: 'up' | 'down'): string => ip('-n', HOSTS[1].name, 'link', 'set', HOSTS[1].link, state);

/** How a process has ended. */
interface End {
  code: number | null;
  said: string;
}

interface Ranked {
  cli: string;
  home: string;
  words: string[];
  /** Hears what rank 0 says. */
  onSaid?: (text: string) => void;
}

/** Trains with a rank on each host, as torchrun starts them. */
function trainOnBoth({ cli, home, words, onSaid }: Ranked): Promise<End[]> {
  const shared = { WORLD_SIZE: '2', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1', MASTER_ADDR: HOSTS[0].address, MASTER_PORT: '29500' }; // prettier-ignore
  const own = { STILLHOUSE_HOME: home, STILLHOUSE_CACHE: cacheFolder(), STILLHOUSE_RANKS_SECRET: 'of this bench' };
  const ends = HOSTS.map(({ name }, rank) => {
    const env = { ...process.env, ...own, ...shared, RANK: String(rank) };
    const child = spawn('ip', ['netns', 'exec', name, process.execPath, cli, ...words], { env });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        said += String(text);
        if (rank === 0) onSaid?.(said);
      });
    return new Promise<End>((resolve) => child.once('close', (code) => resolve({ code, said })));
  });
  return Promise.all(ends);
}

/**
 * Trains a run on two hosts, undisturbed and with the cable pulled out and plugged in again, and one on this machine.
 * @returns whether all come out alike bit for bit, and both ranks noticed within 10 s that they were cut off.
 */
export async function trainOnTwoHosts(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-hosts-'));
  try {
    joinHosts();
    const cli = join(await buildPrograms(), 'cli.mjs');
    const data = makeTinyData(join(folder, 'data'), { train: 11, val: 3 });
    const runOf = (name: string): string => join(folder, name);
    const words = (name: string, ...more: string[]): string[] => [
      ...['train', '--data-path', data, '--model', 'test_deit_distilled_patch16_32', '--input-size', '32'],
      ...['--batch-size', '4', '--epochs', '6', '--warmup-epochs', '0', '--num_workers', '1', '--device', 'cpu'],
      ...['--precision', 'float32', '--threads', '1', '--output-dir', runOf(name), ...more],
    ];
    const common = { cli, home: join(folder, 'home') };
    const whole = await trainOnBoth({ ...common, words: words('whole') });
    if (whole.some(({ code }) => code !== 0)) throw new Error(whole.map(({ said }) => said).join('\n'));
    const here = spawn(process.execPath, [cli, ...words('here', '--nproc', '2')], {
      env: { ...process.env, STILLHOUSE_HOME: common.home },
      stdio: 'ignore',
    });
    await new Promise((resolve) => here.once('close', resolve));
    let pulled = 0;
    const onSaid = (text: string): void => {
      if (pulled || !text.includes('Epoch 2/6')) return;
      pulled = performance.now();
      plug('down');
    };
    const cut = await trainOnBoth({ ...common, words: words('cut'), onSaid });
    const seconds = (performance.now() - pulled) / 1000;
    plug('up');
    const resumed = await trainOnBoth({ ...common, words: words('cut', '--resume', 'auto') });
    const hashes = await Promise.all(['whole', 'here', 'cut'].map((name) => stateHash(runOf(name))));
    const same = hashes.every((hash) => hash === hashes[0]);
    console.log(`Two hosts: ${same ? 'equal' : 'DIFFERS FROM'} one machine with two ranks, bit for bit.`);
    console.log(`Cable pulled out: exit codes ${cut.map(({ code }) => code).join(' and ')}, both ended after ${seconds.toFixed(1)} s; resumed: ${resumed.map(({ code }) => code).join(' and ')}.`); // prettier-ignore
    return same && pulled > 0 && seconds < 10 && cut.every(({ code }) => code === 1) && resumed.every(({ code }) => code === 0); // prettier-ignore
  } finally {
    for (const { name } of HOSTS) execFileSync('ip', ['netns', 'delete', name]);
    rmSync(folder, { recursive: true, force: true });
  }
}
