import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../helpers/free-ports.ts';

/**
 * A Slurm cluster of this machine alone, which is two nodes in the partition `pair`, without systemd and without touching
 * another one here.
 */
export interface Cluster {
  /** Ends the controller alone. */
  stopController(): void;
  stop(): void;
  /** Whether its nodes have. */
  hasEnded(): boolean;
}

const PACKAGES = ['slurm-wlm', 'slurmctld', 'slurmd', 'slurm-client', 'munge'];

/** Installs Debian's packages where they are missing; needs root. */
export function installSlurm(): void {
  if (process.getuid?.() !== 0) throw new Error('This starts Slurm as root: run it as root.');
  if (['/usr/sbin/slurmctld', '/usr/sbin/slurmd', '/usr/sbin/munged', '/usr/bin/sbatch'].every(existsSync)) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...words: string[]) => execFileSync('apt-get', words, { stdio: ['ignore', 2, 2], env: environment });
  apt('update');
  apt('install', '-y', '--no-install-recommends', ...PACKAGES);
}

/** Returns `SLURM_CONF` of a cluster in a folder. */
export function confOf(folder: string): string {
  return join(folder, 'slurm.conf');
}

/**
 * Starts munge, the controller and a node in `folder`, on ports of their own, and waits until they do a job.
 * @throws Error where they do not start; what did has ended.
 */
export async function startCluster(folder: string): Promise<Cluster> {
  const cluster = clusterIn(folder);
  try {
    await begin(folder);
  } catch (error) {
    cluster.stop();
    throw error;
  }
  return cluster;
}

const hostOf = (): string => hostname().split('.')[0];

async function begin(folder: string): Promise<void> {
  const host = hostOf();
  const processors = availableParallelism();
  const munge = join(folder, 'munge');
  for (const name of ['state', ...nodesOf(host).map((node) => `spool-${node}`)])
    mkdirSync(join(folder, name), { recursive: true });
  execFileSync('chmod', ['0755', folder]);
  execFileSync('install', ['-d', '-o', 'munge', '-g', 'munge', '-m', '0755', munge]);
  const conf = confOf(folder);
  writeFileSync(conf, configuration({ folder, host, processors, ports: await freePorts(3) }));
  const own = ['socket', 'pid-file', 'log-file', 'seed-file'].map((option) => `--${option}=${munge}/munge.${option}`);
  run('runuser', ['-u', 'munge', '--', '/usr/sbin/munged', ...own]);
  const env = { ...process.env, SLURM_CONF: conf };
  run('slurmctld', [], env);
  for (const node of nodesOf(host)) run('slurmd', ['-N', node], env);
  await until('both nodes take jobs', () => {
    const { stdout } = spawnSync('sinfo', ['-h', '-p', 'pair', '-o', '%T|%D'], { env, encoding: 'utf8' });
    return stdout.trim() === 'idle|2';
  });
  const done = spawnSync('srun', ['-n', '1', 'true'], { env, encoding: 'utf8', timeout: 120_000 });
  if (done.status !== 0) throw new Error(`srun does nothing: ${done.error?.message ?? done.stderr}`);
}

function clusterIn(folder: string): Cluster {
  const at = (name: string): string => join(folder, name);
  const pidFiles = nodesOf(hostOf()).map((node) => `slurmd-${node}.pid`);
  return {
    stopController: () => endProcess(at('slurmctld.pid')),
    stop: () => [...pidFiles, 'slurmctld.pid', 'munge/munge.pid-file'].map(at).forEach(endProcess),
    hasEnded: () => !pidFiles.map(at).some(existsSync),
  };
}

/** Both are this machine; the first leads, so its name is one that can be looked up. */
const nodesOf = (host: string): [string, string] => [host, `${host}-second`];

interface Shape {
  folder: string;
  host: string;
  processors: number;
  ports: number[];
}

function configuration({ folder, host, processors, ports: [controller, ...ports] }: Shape): string {
  const shape = `CPUs=${processors} Boards=1 SocketsPerBoard=1 CoresPerSocket=${processors} ThreadsPerCore=1`;
  const nodes = nodesOf(host).map(
    (node, at) => `NodeName=${node} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${ports[at]} ${shape}`,
  );
  return `ClusterName=bench
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controller}
AuthType=auth/munge
AuthInfo=socket=${folder}/munge/munge.socket
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=20
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool-%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd-%n.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd-%n.log
MailProg=/bin/true
${nodes.join('\n')}
PartitionName=debug Nodes=${host} Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=${host} MaxTime=10 State=UP
PartitionName=pair Nodes=${nodesOf(host).join(',')} MaxTime=INFINITE State=UP
`;
}

function run(command: string, words: string[], env = process.env): void {
  const { status, stderr, error } = spawnSync(command, words, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} does not start: ${error?.message ?? stderr}`);
}

function endProcess(path: string): void {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 'SIGTERM');
  } catch {
    // It has ended already.
  }
}

/** Looks again and again until there is something. @throws after five minutes */
export async function until<Found>(what: string, look: () => Found | undefined | false): Promise<Found> {
  const end = Date.now() + 300_000;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`It never came that ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
