import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { expandNodes, tasksOnNode } from './nodes.ts';

/** The place of a process among those that train one run together. */
export interface RankPlace {
  /** Counts from 0; rank 0 owns the run. */
  rank: number;
  /** How many ranks train the run. */
  size: number;
  /** Counts the ranks on this machine from 0. */
  local: number;
  /** How many ranks share this machine. */
  localSize: number;
  /** Where rank 0 listens for the others. */
  leader: { host: string; port: number };
}

/** Holds what DeiT's flags say of the ranks. */
export interface RankFlags {
  /** `--world_size`; undefined where it was not typed. */
  worldSize?: number;
  /** `--dist_url`: `env://` (default) or `tcp://host:port`. */
  distUrl?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** torch's port where nothing names one. */
const PORT = 29500;
/** Ports of Slurm's jobs: one for each number of a job, step and start, below those that systems lend out. */
const [FIRST_PORT, PORTS] = [15000, 15000];
/** More ranks than one run can have here. */
const MOST = 4096;

/**
 * Reads from its environment which rank a process is: torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR,
 * MASTER_PORT), else those that srun gives its tasks. Variables of a batch script alone make no rank.
 * @returns null for a process on its own, also for the only rank of one.
 * @throws StillhouseError `argument.invalid` for a value that cannot be, one that is missing, flags that contradict.
 */
export function rankPlace(environment: Environment, flags: RankFlags = {}): RankPlace | null {
  const found = fromTorchrun(environment) ?? fromSlurm(environment);
  const { worldSize } = flags;
  if (worldSize !== undefined && worldSize !== (found?.size ?? 1))
    throw invalid('--world_size', reason('value.ranks-started', { count: found?.size ?? 1 }), String(worldSize));
  if (!found || found.size === 1) return null;
  return { ...found, leader: leaderOf(flags.distUrl) ?? found.leader };
}

function fromTorchrun(environment: Environment): RankPlace | null {
  if (environment.RANK === undefined && environment.WORLD_SIZE === undefined) return null;
  const size = whole(environment, 'WORLD_SIZE', 1, MOST);
  const host = environment.MASTER_ADDR || '127.0.0.1';
  // Without a word of the machine all ranks are on it only where the leader is this very machine.
  const alone = isLoopback(host);
  const rank = whole(environment, 'RANK', 0, size - 1);
  const localSize = whole(environment, 'LOCAL_WORLD_SIZE', 1, size, alone ? size : 1);
  return {
    rank,
    size,
    local: whole(environment, 'LOCAL_RANK', 0, size - 1, alone ? rank : 0),
    localSize,
    leader: { host, port: torchrunPort(environment) },
  };
}

/** torchrun itself listens at MASTER_PORT, where it says so: another port follows from that one and its restarts. */
function torchrunPort(environment: Environment): number {
  const port = whole(environment, 'MASTER_PORT', 1, 65535, PORT);
  if (environment.TORCHELASTIC_USE_AGENT_STORE?.toLowerCase() !== 'true') return port;
  return FIRST_PORT + ((port + 1 + 7 * whole(environment, 'TORCHELASTIC_RESTART_COUNT', 0, 2 ** 32 - 1, 0)) % PORTS);
}

function fromSlurm(environment: Environment): RankPlace | null {
  // A batch script has SLURM_PROCID too: only what srun starts belongs to a step.
  const { SLURM_PROCID, SLURM_STEP_ID, SLURM_STEP_TASKS_PER_NODE: tasks = '' } = environment;
  if (SLURM_PROCID === undefined || SLURM_STEP_ID === undefined) return null;
  const variable = environment.SLURM_STEP_NUM_TASKS === undefined ? 'SLURM_NTASKS' : 'SLURM_STEP_NUM_TASKS';
  const size = whole(environment, variable, 1, MOST);
  const list = environment.SLURM_STEP_NODELIST || environment.SLURM_JOB_NODELIST || '';
  const nodes = expandNodes(list);
  const host = environment.MASTER_ADDR || nodes[0];
  if (!host) throw invalid('SLURM_STEP_NODELIST', reason('value.node-list'), list);
  const node = whole(environment, 'SLURM_NODEID', 0, MOST, 0);
  const [job, step, restarts] = (['SLURM_JOB_ID', 'SLURM_STEP_ID', 'SLURM_RESTART_COUNT'] as const).map((name) =>
    whole(environment, name, 0, 2 ** 32 - 1, 0),
  );
  const port = FIRST_PORT + ((job * 31 + step * 7 + restarts) % PORTS);
  return {
    rank: whole(environment, 'SLURM_PROCID', 0, size - 1),
    size,
    local: whole(environment, 'SLURM_LOCALID', 0, size - 1),
    localSize: tasksOnNode(tasks, node) ?? (nodes.length <= 1 ? size : 1),
    leader: { host, port: whole(environment, 'MASTER_PORT', 1, 65535, port) },
  };
}

function leaderOf(distUrl = 'env://'): RankPlace['leader'] | null {
  if (distUrl === 'env://') return null;
  const [, host, port] = /^tcp:\/\/(\[[\da-f:]+\]|[\w.-]+):(\d{1,5})$/i.exec(distUrl) ?? [];
  if (!host || !(Number(port) >= 1 && Number(port) <= 65535))
    throw invalid('--dist_url', reason('value.dist-url'), distUrl);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

function whole(environment: Environment, name: string, least: number, most: number, fallback?: number): number {
  const text = environment[name];
  if (text === undefined && fallback !== undefined) return fallback;
  const value = /^\d{1,10}$/.test(text ?? '') ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw invalid(name, reason('value.between', { min: least, max: most }), text ?? 'nothing');
}

function invalid(name: string, expected: ReturnType<typeof reason>, got: string | ReturnType<typeof reason>) {
  return new StillhouseError('argument.invalid', { name, expected, got });
}
