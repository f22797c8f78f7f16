import { randomBytes } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import * as v from 'valibot';
import {
  hello,
  isProof,
  nonce,
  proofOf,
  welcome,
  type FailedWhy,
  type FromLine,
  type LineOptions,
  type ToLine,
} from './line-protocol.ts';
import { Peer } from './peer.ts';

/**
 * The thread of a rank's line (`dist/main/line.worker.mjs`): signs of life go on while the process records, compiles or
 * saves, and only a process that is stopped or gone is silent.
 */

const options = workerData as LineOptions;
const tell = (event: FromLine): void => parentPort?.postMessage(event);
const peers = new Map<number, Peer>();

/** Milliseconds that a stranger has to say who it is. */
const GREETING = 10_000;
/** Milliseconds between two tries to reach rank 0, and in which it must have begun to listen. */
const [RETRY, PATIENCE] = [250, 300_000];

parentPort?.on('message', (message: ToLine) => {
  if (message === 'close')
    void Promise.all([...peers.values()].map((peer) => peer.close())).then(() => tell({ line: 'closed' }));
  else for (const [rank, peer] of peers) if (message.to === null || message.to === rank) peer.send(message.body);
});

function hearFrom(rank: number, peer: Peer): void {
  peers.set(rank, peer);
  tell({ line: 'joined', rank, host: peer.socket.remoteAddress ?? '' });
}

function fail(kind: FailedWhy['kind'], code: string): void {
  tell({ line: 'failed', why: { kind, code } });
}

function lead(): void {
  const server = createServer(greet);
  server.on('error', (error: NodeJS.ErrnoException) => fail('listen', error.code ?? error.message));
  server.listen(options.port, options.host, () => {
    const address = server.address();
    tell({ line: 'listening', port: typeof address === 'object' && address ? address.port : options.port });
  });
}

/** Finds out whether a connection is of a rank; strangers are cut off, and the run does not suffer. */
function greet(socket: Socket): void {
  const challenge = randomBytes(16).toString('hex');
  let rank: number | null = null;
  const late = setTimeout(() => rank === null && socket.destroy(), GREETING);
  const peer = new Peer(
    socket,
    (message) => {
      if (rank !== null) return tell({ line: 'message', rank, body: message });
      const found = v.safeParse(hello, message);
      const why = found.success ? objection(found.output, challenge) : 'strange';
      if (!found.success || why !== null) {
        peer.send({ refused: why });
        return void peer.close();
      }
      rank = found.output.rank;
      clearTimeout(late);
      peer.send({ welcome: proofOf(options.secret, 'leader', found.output.nonce) });
      hearFrom(rank, peer);
    },
    (why) => {
      clearTimeout(late);
      if (rank !== null) tell({ line: 'lost', rank, why });
    },
  );
  peer.send({ nonce: challenge });
}

function objection(given: v.InferOutput<typeof hello>, challenge: string): string | null {
  const { rank, size, version } = given;
  if (!isProof(given.proof, proofOf(options.secret, 'rank', rank, size, challenge))) return 'secret';
  if (version !== options.version) return 'version';
  if (size !== options.size || !Number.isInteger(rank) || rank < 1 || rank >= size) return 'size';
  return peers.has(rank) ? 'taken' : null;
}

function follow(began = performance.now()): void {
  const socket = connect(options.port, options.host);
  const refused = (error: NodeJS.ErrnoException): void => {
    if (performance.now() - began > PATIENCE) fail('connect', error.code ?? error.message);
    else setTimeout(() => follow(began), RETRY);
  };
  socket.once('error', refused);
  socket.once('connect', () => {
    socket.off('error', refused);
    present(socket);
  });
}

function present(socket: Socket): void {
  const { rank, size, secret, version } = options;
  const own = randomBytes(16).toString('hex');
  let state: 'new' | 'presented' | 'in' = 'new';
  const peer = new Peer(
    socket,
    (message) => {
      if (state === 'in') return tell({ line: 'message', rank: 0, body: message });
      if (state === 'new') {
        const challenge = v.parse(nonce, message).nonce;
        peer.send({ rank, size, version, nonce: own, proof: proofOf(secret, 'rank', rank, size, challenge) });
        state = 'presented';
        return;
      }
      const answer = v.parse(welcome, message);
      if ('refused' in answer || !isProof(answer.welcome, proofOf(secret, 'leader', own)))
        return fail('refused', 'refused' in answer ? answer.refused : 'secret');
      state = 'in';
      hearFrom(0, peer);
    },
    (why) => tell({ line: 'lost', rank: 0, why }),
  );
}

if (options.rank === 0) lead();
else follow();
