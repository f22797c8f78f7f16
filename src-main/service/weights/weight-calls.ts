import { getFrom, locateAny, removeStored } from '../../install/weight-store.ts';
import { findPublished, wantedWeights } from '../../install/weight-source.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Handlers } from '../../protocol/service.ts';
import { isAddress } from '../../protocol/weight-data.ts';
import { absolute } from '../data/datasets.ts';
import type { JobContext, Jobs } from '../jobs/jobs.ts';
import { listWeights } from './weight-list.ts';

interface Parts {
  /** The store. */
  folder: string;
  jobs: Jobs;
  /** Called when the list may have changed. */
  onChange(): void;
}

/** Published weights, and weights at addresses: lists, fetches and frees them. */
export class WeightCalls {
  /** Jobs that fetch, by the full name or the address of what they fetch. */
  private readonly fetching = new Map<string, string>();

  constructor(private readonly parts: Parts) {}

  handlers() {
    const { folder } = this.parts;
    return {
      'weights.list': () => listWeights(folder, (name) => this.fetching.get(name) ?? null),
      'weights.find': ({ what }) => this.find(what),
      'weights.get': async ({ what }) => ({ job: this.get(what) }),
      'weights.remove': async ({ id }) => {
        const bytes = await removeStored(id, folder);
        this.parts.onChange();
        return { bytes };
      },
    } satisfies Partial<Handlers>;
  }

  /**
   * The file that a path, an address or a name means, fetched where it is not on this machine.
   * @throws StillhouseError of the fetching
   */
  async local(given: string, { signal, report }: JobContext): Promise<string> {
    const what = given.trim();
    if (!isAddress(what) && !findPublished(what)) return absolute(what);
    const path = await getFrom(wantedWeights(what).sources, { folder: this.parts.folder, signal, onProgress: report });
    this.parts.onChange();
    return path;
  }

  /** The same of what is on this machine already. @throws StillhouseError `weights.not-here`, `argument.invalid` */
  async here(given: string): Promise<string> {
    const what = given.trim();
    if (!isAddress(what) && !findPublished(what)) return absolute(what);
    const { path } = await this.find(what);
    if (path === null) throw new StillhouseError('weights.not-here', { path: what });
    return path;
  }

  private async find(what: string): Promise<{ path: string | null; job: string | null }> {
    const { name, sources } = wantedWeights(what.trim());
    const found = await locateAny(sources, this.parts.folder);
    return { path: found?.path ?? null, job: this.fetching.get(name) ?? null };
  }

  private get(what: string): string {
    const { folder, jobs, onChange } = this.parts;
    const { name, sources } = wantedWeights(what.trim());
    const job = jobs.start('weights', `weights:${name}`, 'bytes', async ({ signal, report }) => {
      try {
        return await getFrom(sources, { folder, signal, onProgress: report });
      } finally {
        this.fetching.delete(name);
        onChange();
      }
    });
    this.fetching.set(name, job);
    onChange();
    return job;
  }
}
