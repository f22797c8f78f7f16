import { bytesField, message, textField, varintField } from '../formats/protobuf-writer.ts';

// Fields of TensorFlow's ConfigProto, and those of the messages inside it.
const DEVICE_COUNT = 1;
const INTRA_OP_THREADS = 2;
const INTER_OP_THREADS = 5;
const SOFT_PLACEMENT = 7;
const DEVICE_FILTERS = 4;
const EXPERIMENTAL = 16;
const GROUP_LEADER = 1;
const MAP_KEY = 1;
const MAP_VALUE = 2;
// Fields of ServerDef, ClusterDef and JobDef.
const [CLUSTER, JOB_NAME, TASK_INDEX, SESSION_CONFIG, PROTOCOL] = [1, 2, 3, 4, 5];
const [CLUSTER_JOB, JOB_TASKS] = [1, 2];
const JOB = 'worker';

/** The group of all ranks, in which they reduce. */
export const GROUP_KEY = 1;

export interface ContextOptions {
  /** Threads inside one op. */
  within: number;
  /** Threads for ops that run side by side. */
  between: number;
  /** The ranks that reduce together; null or absent: this process is alone. */
  cluster?: Cluster | null;
}

/** The TensorFlow servers of all ranks, and which of them is this process. */
export interface Cluster {
  rank: number;
  /** `host:port` of each. */
  addresses: readonly string[];
}

/** Serialises a ConfigProto. */
export function contextConfig({ within, between, cluster = null }: ContextOptions): Uint8Array {
  const threads = [varintField(INTRA_OP_THREADS, within), varintField(INTER_OP_THREADS, between)];
  const ranks = cluster ? withCluster(cluster) : [];
  return message([...threads, withoutGpu(), ...ranks]);
}

/** Serialises a ServerDef: this rank's server among those of all. */
export function serverDef(options: ContextOptions & { cluster: Cluster }): Uint8Array {
  const { rank, addresses } = options.cluster;
  const tasks = addresses.map((address, index) =>
    bytesField(JOB_TASKS, message([varintField(MAP_KEY, index), textField(MAP_VALUE, address)])),
  );
  return message([
    bytesField(CLUSTER, bytesField(CLUSTER_JOB, message([textField(1, JOB), ...tasks]))),
    textField(JOB_NAME, JOB),
    varintField(TASK_INDEX, rank),
    bytesField(SESSION_CONFIG, contextConfig(options)),
    textField(PROTOCOL, 'grpc'),
  ]);
}

function withCluster({ rank }: Cluster): Buffer[] {
  return [
    bytesField(DEVICE_COUNT, message([textField(MAP_KEY, 'CPU'), varintField(MAP_VALUE, 1)])),
    textField(DEVICE_FILTERS, `/job:${JOB}/task:${rank}`),
    varintField(SOFT_PLACEMENT, 1),
    bytesField(EXPERIMENTAL, textField(GROUP_LEADER, `/job:${JOB}/replica:0/task:0`)),
  ];
}

function withoutGpu(): Buffer {
  return bytesField(DEVICE_COUNT, message([textField(MAP_KEY, 'GPU'), varintField(MAP_VALUE, 0)]));
}
