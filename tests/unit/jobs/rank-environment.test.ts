import { describe, expect, it } from 'vitest';
import { rankPlace } from '../../../src-main/jobs/ranks/environment.ts';
import { expandNodes, tasksOnNode } from '../../../src-main/jobs/ranks/nodes.ts';

const TORCHRUN = { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '2', MASTER_ADDR: 'n1', MASTER_PORT: '4000' }; // prettier-ignore
const SLURM = {
  ...{ SLURM_JOB_ID: '17', SLURM_STEP_ID: '0', SLURM_PROCID: '2', SLURM_NTASKS: '4', SLURM_STEP_NUM_TASKS: '3' },
  ...{ SLURM_LOCALID: '0', SLURM_NODEID: '1', SLURM_STEP_NODELIST: 'n[07-08]', SLURM_STEP_TASKS_PER_NODE: '2,1' },
};

describe('the rank of a process', () => {
  it('is none without variables, for one alone, and in a batch script', () => {
    expect(rankPlace({})).toBeNull();
    expect(rankPlace({ RANK: '0', WORLD_SIZE: '1' })).toBeNull();
    expect(rankPlace({ ...SLURM, SLURM_STEP_ID: undefined })).toBeNull();
  });

  it('follows from the variables of torchrun, also where Slurm has started it', () => {
    const leader = { host: 'n1', port: 4000 };
    expect(rankPlace({ ...SLURM, ...TORCHRUN })).toEqual({ rank: 3, size: 4, local: 1, localSize: 2, leader });
  });

  it('waits beside the port that torchrun keeps for itself, at another one after a restart', () => {
    const kept = { ...TORCHRUN, TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RESTART_COUNT: '0' };
    const { port } = rankPlace(kept)!.leader;
    expect(port).not.toBe(4000);
    expect(rankPlace({ ...kept, MASTER_PORT: '29500' })!.leader.port).not.toBe(29500);
    expect(rankPlace({ ...kept, RANK: '0' })!.leader.port).toBe(port);
    expect(rankPlace({ ...kept, TORCHELASTIC_RESTART_COUNT: '1' })!.leader.port).not.toBe(port);
    expect(rankPlace(kept, { distUrl: 'tcp://n1:4001' })!.leader.port).toBe(4001);
    expect(rankPlace({ ...kept, TORCHELASTIC_USE_AGENT_STORE: 'False' })!.leader.port).toBe(4000);
  });

  it('follows from RANK and WORLD_SIZE alone on this machine', () => {
    const leader = { host: '127.0.0.1', port: 29500 };
    expect(rankPlace({ RANK: '1', WORLD_SIZE: '2' })).toEqual({ rank: 1, size: 2, local: 1, localSize: 2, leader });
  });

  it('follows from the variables of srun, whose first machine leads', () => {
    const { leader, ...place } = rankPlace(SLURM)!;
    expect(place).toEqual({ rank: 2, size: 3, local: 0, localSize: 1 });
    expect(leader.host).toBe('n07');
    expect(rankPlace({ ...SLURM, SLURM_PROCID: '0' })!.leader).toEqual(leader);
    expect(rankPlace({ ...SLURM, SLURM_RESTART_COUNT: '1' })!.leader.port).not.toBe(leader.port);
    expect(rankPlace({ ...SLURM, MASTER_ADDR: 'x', MASTER_PORT: '9' })!.leader).toEqual({ host: 'x', port: 9 });
  });

  it("obeys DeiT's flags", () => {
    const flags = { worldSize: 4, distUrl: 'tcp://other.host:77' };
    expect(rankPlace(TORCHRUN, flags)!.leader).toEqual({ host: 'other.host', port: 77 });
    expect(rankPlace(TORCHRUN, { distUrl: 'env://' })!.leader.host).toBe('n1');
    expect(() => rankPlace(TORCHRUN, { worldSize: 8 })).toThrow(/--world_size.*\(4\)/);
    expect(() => rankPlace({}, { worldSize: 2 })).toThrow(/--world_size/);
    expect(() => rankPlace(TORCHRUN, { distUrl: 'file:///x' })).toThrow(/--dist_url/);
  });

  it('is refused where variables cannot be', () => {
    expect(() => rankPlace({ RANK: '0' })).toThrow(/WORLD_SIZE/);
    expect(() => rankPlace({ RANK: '2', WORLD_SIZE: '2' })).toThrow(/RANK.*from 0 to 1/);
    expect(() => rankPlace({ RANK: '0x1', WORLD_SIZE: '2' })).toThrow(/RANK/);
    expect(() => rankPlace({ ...TORCHRUN, MASTER_PORT: '70000' })).toThrow(/MASTER_PORT/);
    expect(() => rankPlace({ ...SLURM, SLURM_STEP_NODELIST: 'n[2-1]' })).toThrow(/SLURM_STEP_NODELIST/);
  });
});

describe("Slurm's lists", () => {
  it('name machines', () => {
    expect(expandNodes('n[1-2,07],login,r[1-2]c[3-4]')).toEqual(
      ['n1', 'n2', 'n07', 'login', 'r1c3', 'r1c4', 'r2c3', 'r2c4'], // prettier-ignore
    );
    expect(expandNodes('')).toEqual([]);
    expect(expandNodes('n[1-')).toEqual([]);
    expect(expandNodes('n[1-999999999]')).toEqual([]);
  });

  it('count tasks', () => {
    expect([0, 2, 3].map((node) => tasksOnNode('2(x3),1', node))).toEqual([2, 2, 1]);
    expect(tasksOnNode('2(x3),1', 4)).toBeNull();
    expect(tasksOnNode('two', 0)).toBeNull();
  });
});
