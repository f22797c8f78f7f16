import { shapeSize } from '../../base/shape-size.ts';
import { idOf, isBeingFetched, listStored, locateAny, type StoredWeights } from '../../install/weight-store.ts';
import { publishedWeights, sourcesOf, type WeightSource } from '../../install/weight-source.ts';
import { createModel, modelCard } from '../../model/zoo.ts';
import type { ModelCard } from '../../protocol/data-types.ts';
import type { AddressedRow, PublishedRow, WeightList, WeightState } from '../../protocol/weight-data.ts';

type Place = Omit<AddressedRow, 'address'>;

/** Facts about a network for the list of its weights. Sizes are bytes. */
type NetworkFacts = Pick<ModelCard, 'family' | 'parameters' | 'gflops'> & { size: number };

/**
 * Lists published weights, and those that were fetched by address.
 * @param jobOf the job that fetches weights of a name or address.
 */
export async function listWeights(folder: string, jobOf: (name: string) => string | null): Promise<WeightList> {
  const stored = new Map((await listStored(folder)).map((entry) => [entry.id, entry]));
  const rows = publishedWeights().flatMap(([model, files]) => files.map((file) => ({ model, file })));
  const published = await Promise.all(
    rows.map(async ({ model, file }): Promise<PublishedRow> => {
      const place = await placeOf(sourcesOf(file), folder, stored, jobOf(file.name));
      return { ...file, ...factsOf(model), ...place, model };
    }),
  );
  const known = new Set(rows.flatMap(({ file }) => sourcesOf(file).map(idOf)));
  const others = [...stored.values()].filter(({ id }) => !known.has(id));
  const addressed = await Promise.all(others.map((entry) => addressedRow(entry, folder, jobOf)));
  return { folder, published, addressed: addressed.sort((one, other) => (one.address < other.address ? -1 : 1)) };
}

const facts = new Map<string, NetworkFacts>();

/** Of 4 bytes a number; the counters of batch normalization have 8. @throws StillhouseError `argument.invalid` */
function factsOf(model: string): NetworkFacts {
  const known = facts.get(model);
  if (known) return known;
  const { family, parameters, gflops, inputSize } = modelCard(model);
  const { specs } = createModel(model, { classes: 1000, inputSize });
  const size = specs.reduce((sum, { shape, integer }) => sum + (integer ? 8 : 4) * shapeSize(shape), 0);
  const found = { family, parameters, gflops, size };
  facts.set(model, found);
  return found;
}

async function placeOf(
  sources: readonly WeightSource[],
  folder: string,
  stored: ReadonlyMap<string, StoredWeights>,
  job: string | null,
): Promise<Place> {
  const found = await locateAny(sources, folder);
  const entry = sources.map((source) => stored.get(idOf(source))).find((one) => one !== undefined);
  const [id, bytes] = [entry?.id ?? null, entry?.bytes ?? 0];
  if (found) return { state: 'here', ...found, id, bytes, checked: entry?.facts?.checked ?? null, job };
  const ids = sources.map(idOf);
  const busy = job === null && (await Promise.all(ids.map((id) => isBeingFetched(id, folder)))).includes(true);
  return { state: stateOf(job, busy, bytes), owner: null, path: null, id, bytes, checked: null, job };
}

function stateOf(job: string | null, busy: boolean, bytes: number): WeightState {
  if (job !== null) return 'fetching';
  if (busy) return 'elsewhere';
  return bytes > 0 ? 'partial' : 'absent';
}

async function addressedRow(
  { id, path, address: kept, facts, bytes }: StoredWeights,
  folder: string,
  jobOf: (name: string) => string | null,
): Promise<AddressedRow> {
  const address = kept ?? id;
  const job = jobOf(address);
  if (facts) return { address, state: 'here', owner: 'store', path, id, bytes, checked: facts.checked, job };
  const busy = await isBeingFetched(id, folder);
  return { address, state: stateOf(job, busy, bytes), owner: null, path: null, id, bytes, checked: null, job };
}
